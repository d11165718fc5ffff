//! The measures of the browser collector as plain number functions: no binding code, no allocation per event.
