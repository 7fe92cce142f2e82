//! plan stub.
