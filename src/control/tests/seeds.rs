//! The seeds of the fuzz targets: each reaches the outcome that it is named for, and together they reach them all.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;

use super::super::fuzzing;
use super::super::handshake::Agreed;
use super::super::refusal::Refusal;
use super::*;

/// The name of a value without its fields: `malformed-identity-notutf8`.
fn name(value: &impl Debug) -> String {
    let shown = format!("{value:?}");
    let path = shown.split([' ', '{']).next().unwrap_or_default();
    path.trim_end_matches(')').replace('(', "-").to_lowercase()
}

fn outcome(end: &Result<Agreed, Refusal>) -> String {
    match end {
        Ok(Agreed { lent: true, .. }) => "lent".into(),
        Ok(Agreed { chosen: Chosen::Shm, .. }) => "shm".into(),
        Ok(Agreed { chosen: Chosen::Socket(_), .. }) => "socket".into(),
        Ok(Agreed { chosen: Chosen::Portable(_), .. }) => "portable".into(),
        Err(Refusal::Peer(refuse)) => format!("peer-{}", name(&refuse.reason)),
        Err(Refusal::NoSharedMemory(fallback)) => format!("noshm-{}", name(&fallback.at)),
        Err(refusal) => name(refusal),
    }
}

/// Every way in which one end's handshake ends.
const CONTROL: &str = "\
    capacity contradiction descriptors descriptorstruncated died hungup io lent \
    malformed-capacity-capacityerror malformed-doorbell malformed-errno malformed-fdkinds \
    malformed-identity-duplicatekey malformed-identity-keylength malformed-identity-nametoolong \
    malformed-identity-notutf8 malformed-identity-toomanylabels malformed-identity-valuetoolong \
    malformed-magic malformed-maxmessage malformed-refuse malformed-reserved malformed-short \
    malformed-toolong malformed-trailing malformed-unknowncode malformed-unknownfeatures \
    malformed-unknownkind maxmessage noshm-acceptor noshm-offerer outoforder outofstep peer-capacity \
    peer-contradiction peer-descriptors peer-malformed peer-maxmessage peer-nosharedmemory \
    peer-outoforder peer-timedout peer-version portable shm socket timedout version";

/// The ways in which the two ends' handshakes end together, without the many in which a packet can be malformed.
const HANDSHAKE: &str = "\
    descriptors+peer-descriptors hungup+hungup lent+lent malformed-magic+peer-malformed \
    noshm-offerer+peer-nosharedmemory peer-capacity+capacity peer-descriptors+descriptors \
    peer-malformed+malformed-magic peer-maxmessage+maxmessage peer-nosharedmemory+noshm-acceptor \
    peer-nosharedmemory+noshm-offerer peer-outoforder+outoforder peer-timedout+timedout portable+portable \
    peer-version+version shm+hungup shm+outoforder shm+shm shm+timedout socket+hungup socket+socket \
    socket+timedout socket+version timedout+peer-timedout timedout+timedout version+peer-version";

fn control(data: &[u8]) -> String {
    outcome(&fuzzing::control(data))
}

fn handshake(data: &[u8]) -> String {
    let (offered, accepted) = fuzzing::handshake(data);
    format!("{}+{}", outcome(&offered), outcome(&accepted))
}

fn replay(target: &str, outcomes: &str, run: fn(&[u8]) -> String) {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut reached = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let outcome = run(&fs::read(&path).unwrap());
        assert_eq!(path.file_name().unwrap().to_str(), Some(outcome.as_str()));
        reached.insert(outcome);
    }
    let outcomes: BTreeSet<String> = outcomes.split_whitespace().map(str::to_owned).collect();
    assert_eq!(reached, outcomes);
}

#[test]
fn the_seeds_of_control_reach_every_end() {
    replay("control", CONTROL, control);
}

#[test]
fn the_seeds_of_handshake_reach_every_pair_of_ends() {
    replay("handshake", HANDSHAKE, handshake);
}
