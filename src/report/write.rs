//! p
/// x
pub struct Pictures;
/// x
pub fn write() {}
