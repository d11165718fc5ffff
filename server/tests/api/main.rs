//! Every endpoint in process: no port, a clock that is set, randomness that repeats.

mod agentshield;
mod botcha;
mod botect;
mod native;
mod support;
