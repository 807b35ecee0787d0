//! What is the same for every answer: request ids, JSON errors, security headers, the request log.

pub mod answers;
pub mod limits;
