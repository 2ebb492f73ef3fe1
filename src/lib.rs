//! absint
