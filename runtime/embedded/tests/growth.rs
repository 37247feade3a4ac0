//! Growth of the log's file over a night in which live feeds are polled every half minute.
//!
//! Invariant: the file grows by at most three times the payloads compressed singly, with all that follows from them.
//! Not here: the content of the records, which is invented; the processors (`tests/laws` of the root crate).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use runtime::{Commit, LogAdmin, LogWriter, RawEventRecord, progress_board::ProgressBoard};
use runtime_embedded::EmbeddedLog;
use schemas::ids::RawId;
use std::{fmt::Write, path::Path};
use tempfile::tempdir;
use topics::{
    LEDGER, MARKETS, NAMES, ODDS_OBSERVATIONS, Offsets, PARTITIONS, RAW_BOX_SCORES, RAW_ODDS, TopicInfo,
    TopicPartition,
};

/// Number of games, and of polls of the odds of each.
const GAMES: usize = 11;
const BOOKS: usize = 10;
const PLAYERS: usize = 40;
/// Every so many polls of the odds of all games, all box scores are polled.
const POLLS_PER_BOX_SCORES: usize = 2;

/// A generator of pseudo-random numbers (SplitMix64).
struct Random(u64);
impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The odds of one game: the prices of each book and player in hundredths, and when each book changed last.
struct Odds {
    game: usize,
    prices: Vec<[u64; PLAYERS]>,
    updated: Vec<usize>,
}
impl Odds {
    fn new(game: usize, random: &mut Random) -> Self {
        let mut prices = || std::array::from_fn(|_| 170 + random.below(50));
        Odds { game, prices: (0..BOOKS).map(|_| prices()).collect(), updated: vec![0; BOOKS] }
    }
    /// Changes some prices; returns the players concerned.
    fn change(&mut self, poll: usize, random: &mut Random) -> Vec<usize> {
        let changes = 0..random.below(12);
        let change = |_| {
            let (book, player) = (random.below(BOOKS as u64) as usize, random.below(PLAYERS as u64) as usize);
            self.prices[book][player] = 170 + random.below(50);
            self.updated[book] = poll;
            player
        };
        changes.map(change).collect()
    }
    fn payload(&self) -> String {
        let mut text =
            format!("{{\"id\":\"{:032x}\",\"sport_key\":\"basketball_nba\",\"bookmakers\":[", self.game);
        for (book, (prices, updated)) in self.prices.iter().zip(&self.updated).enumerate() {
            write!(
                text,
                "{{\"key\":\"book{book}\",\"markets\":[{{\"last_update\":\"poll {updated}\",\"outcomes\":["
            )
            .unwrap();
            for (player, price) in prices.iter().enumerate() {
                for side in ["Over", "Under"] {
                    let (whole, cents) = (price / 100, price % 100);
                    let line = 10 + (player * 7 + self.game) % 20;
                    write!(text, "{{\"name\":\"{side}\",\"description\":\"Player{} Number{player}\",\"price\":{whole}.{cents:02},\"point\":{line}.5}},", self.game).unwrap();
                }
            }
            text.push_str("]}]},");
        }
        text + "]}"
    }
    /// The quotes without the structure of the payload, as an observation has them.
    fn observation(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (book, prices) in self.prices.iter().enumerate() {
            for (player, price) in prices.iter().enumerate() {
                bytes.extend_from_slice(format!("Player{} Number{player}", self.game).as_bytes());
                bytes.extend_from_slice(&[book as u8, 2, (*price & 127) as u8, (*price >> 7) as u8]);
            }
        }
        bytes
    }
}

fn partition(topic: TopicInfo, game: usize) -> TopicPartition {
    TopicPartition::new(topic.name, game as i32 % PARTITIONS)
}

/// A log, and the sizes of what was ingested into it.
struct Night {
    log: EmbeddedLog,
    random: Random,
    odds: Vec<Odds>,
    /// For each game, what its markets' rows consist of: one number per change.
    market_revisions: Vec<Vec<u64>>,
    compressed_singly: usize,
    events: i64,
}
impl Night {
    fn ingest(&mut self, topic: TopicInfo, game: usize, payload: String) {
        self.compressed_singly += zstd::bulk::compress(payload.as_bytes(), 3).unwrap().len();
        self.events += 1;
        let partition = game as i32 % PARTITIONS;
        // The id is a hash, so ids do not ascend.
        let id = RawId(self.random.next() as i64);
        let event = RawEventRecord {
            id,
            rank: schemas::raw::FetchOutcome::Complete.rank(),
            topic,
            partition,
            key: format!("event-{game}"),
            value: payload.into_bytes(),
        };
        assert_eq!(self.log.ingest(&[event], Commit::default()).unwrap(), 1);
    }
    /// Commits records of a processor, with a ledger entry.
    fn commit(&mut self, processor: &str, mut commit: Commit) {
        let entry =
            format!("{processor} read 1 applied 1 unchanged 0 parked 0 rejected 0 event {}", self.events);
        commit.append(TopicPartition::new(LEDGER.info.name, 0), processor, Some(entry.as_bytes()));
        commit.group = processor.to_owned();
        self.log.append(commit).unwrap();
    }
    fn poll_odds(&mut self, game: usize, poll: usize) {
        let changed = self.odds[game].change(poll, &mut self.random);
        let payload = self.odds[game].payload();
        self.ingest(RAW_ODDS.info, game, payload);
        let observed = partition(ODDS_OBSERVATIONS.info, game);
        let mut commit = Commit {
            offsets: Offsets::from([(partition(RAW_ODDS.info, game), self.events)]),
            ..Commit::default()
        };
        commit.append(observed, &format!("game-{game}"), Some(&self.odds[game].observation()));
        self.commit("odds-loader", commit);

        let mut commit = Commit { offsets: Offsets::from([(observed, self.events)]), ..Commit::default() };
        let changelog = TopicPartition::new("markets.changelog", observed.partition);
        let record: Vec<u8> = changed.iter().flat_map(|player| [*player as u8; 24]).collect();
        commit.append(changelog, &format!("game-{game}/{}", self.random.next()), Some(&record));
        for player in changed {
            let revisions = &mut self.market_revisions[game * PLAYERS + player];
            revisions.push(self.random.next());
            let row: Vec<u8> =
                revisions.iter().flat_map(|number| [number.to_le_bytes(), [0; 8], [1; 8]].concat()).collect();
            commit.append(partition(MARKETS.info, game), &format!("{player}/{game}"), Some(&row));
        }
        commit.append(partition(NAMES.info, game), &format!("{game}"), Some(&[7; 400]));
        self.commit("markets", commit);
    }
    fn poll_box_scores(&mut self, game: usize, poll: usize) {
        let mut payload = String::from("{\"data\":[");
        for player in 0..26 {
            let points = (player + poll / 40) % 35;
            write!(payload, "{{\"player\":{{\"id\":{},\"name\":\"Player{game} Number{player}\"}},\"pts\":{points},\"min\":\"{}\"}},", player * 31 + game, poll / 60).unwrap();
        }
        self.ingest(RAW_BOX_SCORES.info, game, payload);
    }
}

/// Returns the size of the file with its write-ahead log.
fn file_size(folder: &Path) -> u64 {
    let size = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len());
    size("log.db") + size("log.db-wal")
}

/// Polls that many times; returns the growth of the file and the size of the payloads compressed singly.
fn simulate(polls: usize) -> (u64, u64) {
    let folder = tempdir().unwrap();
    let mut random = Random(1);
    let mut night = Night {
        log: EmbeddedLog::open(folder.path()).unwrap(),
        odds: (0..GAMES).map(|game| Odds::new(game, &mut random)).collect(),
        random,
        market_revisions: vec![Vec::new(); GAMES * PLAYERS],
        compressed_singly: 0,
        events: 0,
    };
    night.log.register_group("odds-loader", &[RAW_ODDS.info]).unwrap();
    night.log.register_group("markets", &[ODDS_OBSERVATIONS.info]).unwrap();
    let before = file_size(folder.path());
    let board = ProgressBoard::default();
    for poll in 0..polls {
        for game in 0..GAMES {
            night.poll_odds(game, poll);
            if poll % POLLS_PER_BOX_SCORES == 0 {
                night.poll_box_scores(game, poll);
            }
        }
        night.log.run_maintenance(&board).unwrap();
    }
    for (partition, size) in night.log.partition_sizes().unwrap() {
        if partition.partition == 0 {
            println!("{:30} {:9} records {:9} KB", partition.topic, size.records, size.bytes >> 10);
        }
    }
    println!("file with write-ahead log {} KB", file_size(folder.path()) >> 10);
    // When its last connection is closed, the file contains everything and has no write-ahead log.
    let compressed_singly = night.compressed_singly as u64;
    drop(night);
    let growth = file_size(folder.path()) - before;
    println!("payloads compressed singly {} KB, file {} KB", compressed_singly >> 10, growth >> 10);
    (growth, compressed_singly)
}

#[test]
fn the_file_grows_by_at_most_three_times_the_payloads_compressed_singly() {
    let (growth, compressed_singly) = simulate(40);
    assert!(growth <= 3 * compressed_singly, "{growth} bytes for {compressed_singly}");
}

#[test]
#[ignore = "takes minutes: a whole night"]
fn over_a_whole_night_the_file_grows_by_at_most_three_times_the_payloads_compressed_singly() {
    let (growth, compressed_singly) = simulate(1_440);
    assert!(growth <= 3 * compressed_singly, "{growth} bytes for {compressed_singly}");
}
