//! See `eks_upgrade_fuzz::tags`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| eks_upgrade_fuzz::tags::check(input));
