//! See `eks_upgrade_fuzz::policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| eks_upgrade_fuzz::policy::check(input));
