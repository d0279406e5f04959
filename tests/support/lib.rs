//! Fakes that the tests share: healthy by default; a test breaks one thing.
