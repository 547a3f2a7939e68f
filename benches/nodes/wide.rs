//! Many builds at once: how soon all run, and what server and clients take meanwhile.

use std::time::{Duration, Instant};

use crate::engines::Engines;
use crate::processes::Processes;
use crate::server::{ClusterServer, ON_NODES, show_answers};

const NODES: usize = 8;
/// How long answers are measured before the builds, and while all run.
const MEASURE: Duration = Duration::from_secs(4);

pub fn measure(builds: usize, sleep_s: usize) {
    let engines = Engines::StandIns;
    let mut cluster = engines.cluster(builds.div_ceil(NODES), Vec::new());
    engines.grow(&mut cluster, NODES);
    let server = ClusterServer::start(&cluster, "wide", 3001, ON_NODES);
    let zigcheck = Processes::of(&cluster.server, "zigcheck");
    let (_, mut idle) = server.answers(|| std::thread::sleep(MEASURE));
    let before = (zigcheck.resident_mib(), zigcheck.cpu_s());
    let (took, mut beside) = server.answers(|| {
        let begun = Instant::now();
        server.submit(builds, sleep_s);
        let took = server.wait(begun, "state = 'building'", builds);
        std::thread::sleep(MEASURE);
        took
    });
    let clients = Processes::of(&cluster.server, "srun");
    println!(
        "{builds} builds at once on {NODES} nodes, {}: all run after {took:.1} s",
        engines.name()
    );
    println!(
        "  server: {:.1} MiB resident, {:.1} MiB before; {} descriptors; {:.2} s of processor time",
        zigcheck.resident_mib(),
        before.0,
        zigcheck.descriptors(),
        zigcheck.cpu_s() - before.1
    );
    // Those of SrunPortRange.
    let ports = "ss -Hltn 'sport >= 61001 && sport <= 65500' | wc -l";
    println!(
        "  its clients: {} srun, {} threads, {} ports, {:.0} MiB: {:.1} MiB a build",
        clients.count(),
        clients.threads(),
        cluster.server.sh(ports),
        clients.memory_mib(),
        clients.memory_mib() / builds as f64
    );
    show_answers(&mut idle, &mut beside);
    let begun = Instant::now();
    server.wait(begun, "state = 'finished'", builds);
    let clean = server.count("build_status = 'success' AND attempt = 1");
    println!("  {clean} of {builds} a success at their first attempt");
    server.stop();
}
