//! What no model can show: that the fences hold on the processor that the tests run on, and what is made once for a
//! whole process.

mod sleeping;
mod store_buffering;
mod watch;
