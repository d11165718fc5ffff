//! The agentshield family.
