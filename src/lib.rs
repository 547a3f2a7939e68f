//! The map: one line per room. ARCHITECTURE.md has them in reading order.

// Words: what shell and core say to each other, and every setting and limit.
pub mod config;
pub mod event;
pub mod message;

// Shell: the only rooms that make system calls on sockets, pipes and processes.
pub mod client; // one socket, its connection, its time limits
pub mod clock; // both clocks, read in one place
pub mod disk; // how much room the disk has
pub mod journal; // how log lines look
pub mod listen; // the listening socket, and its door
pub mod process; // one child: three pipes, a pidfd, its end
pub mod reactor; // the loop: readiness, budgets, tell, settle
pub mod readiness; // one descriptor in the poll
pub mod service; // what the service manager is told
pub mod signal; // signals, as readable pipes

// Core: no sockets, no clock.
pub mod allowance; // what each client may ask for in an hour
pub mod api; // a request becomes a call
pub mod app; // the server's state: events in, actions out
pub mod archive; // does an uploaded tree stay inside itself?
pub mod build; // one build: the state machine
pub mod calls; // a call becomes an answer
pub mod changes; // events, in order
pub mod check; // one check: its source, its builds
pub mod conditional; // what the client has already is not sent again
pub mod docker; // a job as an argument list
pub mod engine; // is there an engine, with which images?
pub mod errand; // short engine commands
pub mod feed; // who watches what
pub mod fitness; // whether an engine may run what strangers send
pub mod follow; // one check, line by line
pub mod forecast; // when what waits will start
pub mod gather; // what the jobs of an attempt gave
pub mod git_url; // which URLs may reach git
pub mod history; // what is past goes at last
pub mod job; // one child as the core sees it
pub mod log; // the output of one build, capped
pub mod logs; // all logs, and who reads them
pub mod matrix; // the matrix of a check, as text
pub mod origin; // who asks
pub mod outbox; // the actions of a turn
pub mod page; // JSON from rows
pub mod popularity; // who uses it, who looks at it
pub mod printable; // text fit for a terminal
pub mod query; // names and values behind the ?
pub mod recheck; // when to look again, and what to build then
pub mod repository; // which repository a URL means
pub mod rows; // rows as structs
pub mod sheet; // a page as a value: text or HTML
pub mod source; // one source on its way to disk
pub mod space; // is there room to begin anything?
pub mod store; // every SQL statement
pub mod table; // columns and cells
pub mod target; // methods, paths, what a client takes
pub mod tarhead; // one head of a tar
pub mod tree; // what paths and links may say
pub mod turns; // which work may start next
pub mod unpack; // plain, gzip and zstd in bounded pulls
pub mod upload; // uploaded trees on their way in
pub mod verdict; // exit codes and records become verdicts
pub mod views; // what people see, from rows
pub mod watch; // calls whose answer goes on
pub mod work; // all work there is, with its machines and jobs
pub mod zstd; // a zstd stream in bounded pulls

// Protocols: bytes in, events out; events in, bytes out.
pub mod answer; // what is to be sent
pub mod body; // body framing
pub mod conn; // one client connection: the state machine
pub mod http; // request heads
pub mod intake; // what came and is not understood yet
pub mod ws; // a WebSocket over two byte queues

// Leaves.
pub mod bucket; // how much each address may take in a time
pub mod buffer; // a byte queue with a cap
pub mod crowd; // connections by address
pub mod slab; // slots with generations
pub mod unseen; // characters that nobody sees
