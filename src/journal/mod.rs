//! What a lab has done, written down before it is done: enough to undo it after a kill at any moment.

pub mod log;
pub mod record;
pub mod state;
pub mod store;
