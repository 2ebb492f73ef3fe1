//! Operators that no exporter in reach writes: built from the messages directly.
