//! The examples that the help of a command ends with, unless the file of the command has them.
//!
//! Invariant: every command has examples, and the command line accepts them (tests below).
//! Not here: what the commands do.

pub const FASTBREAK: &str = "Examples:
  fastbreak demo                                     a simulated game day through the whole pipeline
  fastbreak ingest events.jsonl                      append events
  fastbreak run --until-caught-up                    process them";
pub const DEMO: &str = "Examples:
  fastbreak demo                                     into the default data folder
  fastbreak --data demo-data demo --seed 8           another league, in another folder";
pub const INGEST: &str = "Examples:
  fastbreak ingest events.jsonl more.jsonl.zst
  fastbreak ingest -                                 commits lines of standard input as they arrive";
pub const RUN: &str = "Examples:
  fastbreak run                                      until a signal stops it
  fastbreak run --until-caught-up                    until everything is processed
  fastbreak run --only odds-loader,markets           two processors of several on Kafka
  fastbreak run --accept-dead-letters odds-loader    reads past the unusable records that are stored now";
pub const AUDIT: &str = "Examples:
  fastbreak audit
  fastbreak audit --output json                      for a script: exit code 1 if it does not balance";
pub const GRADE: &str = "Examples:
  fastbreak grade --season 2024-25
  fastbreak grade --output json";
pub const STATUS: &str = "Example:
  fastbreak status 2024-11-22                        games and missing data of a date";
pub const COVERAGE: &str = "Examples:
  fastbreak coverage 2024-11-22                      counts
  fastbreak coverage 2024-11-22 --players            every candidate";
pub const EXPLAIN: &str = "Examples:
  fastbreak explain \"Nikola Jokić\" 2024-11-22
  fastbreak explain 203999 2024-11-22 --output json";
pub const GRAPH: &str = "Examples:
  fastbreak graph
  fastbreak graph --mermaid                          a flowchart";
pub const DOCTOR: &str = "Examples:
  fastbreak doctor                                   everything, with the command that mends each failure
  fastbreak doctor --quick                           before a service starts";
pub const CONFIG: &str = "Examples:
  fastbreak config init                              writes fastbreak.toml
  fastbreak config show --origin";
pub const CONFIG_SHOW: &str = "Examples:
  fastbreak config show
  fastbreak --config other.toml config show --origin   with the file, variable or flag of each value";
pub const CONFIG_INIT: &str = "Examples:
  fastbreak config init                              writes fastbreak.toml
  fastbreak config init -                            prints the file";
pub const NAMES: &str = "Examples:
  fastbreak names review
  fastbreak names merge 1629021 \"Moe Wagner\" \"Moritz Vagner\"";
pub const NAMES_REVIEW: &str = "Examples:
  fastbreak names review
  fastbreak names review --output json";
pub const RETRACT: &str = "Examples:
  fastbreak retract 0123456789abcdef --reason \"wrong game\"         a preview
  fastbreak retract 0123456789abcdef --reason \"wrong game\" --yes
  fastbreak retract 0123456789abcdef --reason \"was right\" --undo --yes";
pub const SCHEMAS: &str = "Examples:
  fastbreak schemas check
  fastbreak schemas push --dry-run";
pub const SCHEMAS_CHECK: &str = "Examples:
  fastbreak schemas check                            without a registry: against the released schemas
  fastbreak --registry http://registry:8081 schemas check";
pub const SCHEMAS_PUSH: &str = "Examples:
  fastbreak --registry http://registry:8081 schemas push --dry-run
  fastbreak --registry http://registry:8081 schemas push";
pub const TOPICS: &str = "Examples:
  fastbreak --brokers kafka:9092 topics plan
  fastbreak --brokers kafka:9092 topics apply
  fastbreak topics list                              without a cluster";
pub const TOPICS_PLAN: &str = "Examples:
  fastbreak --brokers kafka:9092 topics plan
  fastbreak --brokers kafka:9092 topics plan --out topics.plan   for `topics apply topics.plan`";
pub const TOPICS_APPLY: &str = "Examples:
  fastbreak --brokers kafka:9092 topics apply        changes them after a confirmation
  fastbreak --brokers kafka:9092 topics apply topics.plan --yes";
pub const TOPICS_EXPORT: &str = "Examples:
  fastbreak --brokers kafka:9092 topics export
  fastbreak --brokers kafka:9092 topics export --out topics.toml";
pub const TOPICS_LINT: &str = "Example:
  fastbreak topics lint";
pub const TOPICS_LIST: &str = "Examples:
  fastbreak topics list
  fastbreak topics list --output json";
pub const DLQ: &str = "Examples:
  fastbreak dlq list
  fastbreak dlq show odds-loader --limit 5
  fastbreak dlq redrive odds-loader --dry-run";
pub const DLQ_LIST: &str = "Examples:
  fastbreak dlq list
  fastbreak dlq list --output json";
pub const DLQ_SHOW: &str = "Examples:
  fastbreak dlq show odds-loader                     the newest 20
  fastbreak dlq show odds-loader --limit 1 --output json";
pub const DLQ_REDRIVE: &str = "Examples:
  fastbreak dlq redrive odds-loader --dry-run        only counts
  fastbreak dlq redrive odds-loader                  after the defect was mended";
pub const DLQ_PURGE: &str = "Examples:
  fastbreak dlq purge odds-loader                    a preview
  fastbreak dlq purge odds-loader --yes";
pub const REPLAY: &str = "Examples:
  fastbreak replay run --from 2024-11-01 --to 2024-11-30 --namespace new-rules
  fastbreak replay diff new-rules
  fastbreak replay discard new-rules --yes";
pub const REPLAY_RUN: &str = "Example:
  fastbreak replay run --from 2024-11-01 --to 2024-11-30 --namespace new-rules   again: resumes";
pub const REPLAY_LIST: &str = "Example:
  fastbreak replay list";
pub const REPLAY_DIFF: &str = "Examples:
  fastbreak replay diff new-rules
  fastbreak replay diff new-rules --limit 0 --output json   only the counts";
pub const REPLAY_DISCARD: &str = "Example:
  fastbreak replay discard new-rules --yes";
pub const SINK: &str = "Example:
  fastbreak sink rebuild                             a preview";
pub const SINK_REBUILD: &str = "Examples:
  fastbreak sink rebuild                             a preview
  fastbreak sink rebuild --yes                       then `fastbreak run` writes all rows again";
pub const WAREHOUSE: &str = "Examples:
  fastbreak warehouse plan
  fastbreak warehouse apply";
pub const WAREHOUSE_DDL: &str = "Examples:
  fastbreak warehouse ddl
  fastbreak --warehouse bigquery warehouse ddl";
pub const WAREHOUSE_PLAN: &str = "Example:
  fastbreak warehouse plan                           exit code 3 if anything is missing";
pub const WAREHOUSE_APPLY: &str = "Example:
  fastbreak warehouse apply";
pub const BENCH: &str = "Examples:
  fastbreak bench
  fastbreak bench events.jsonl.zst                   recorded events instead of a simulated season";
pub const COMPLETIONS: &str = "Examples:
  fastbreak completions bash                         into /usr/share/bash-completion/completions/fastbreak
  fastbreak completions zsh                          into a folder of `fpath`, as _fastbreak";
pub const MAN: &str = "Example:
  fastbreak man man1                                 fastbreak.1, and a page for each command";
