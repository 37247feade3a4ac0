//! Administration: what topics a cluster has, and making them what they shall be.
//!
//! librdkafka tells the reason behind a call that only timed out (a wrong password, a name that does not resolve) on a queue that has
//! to be polled; so everything that may be the first to meet the brokers asks through a consumer, which is.
//! Invariant: nothing is created, altered or deleted that a plan's line, or a purge, does not name. Setting some of a topic's settings
//! unsets the others, so all that is set on it is written again.
//! Not here: the plan (crate `topics`).
use super::{
    client::{Context, classify, cluster_id, metadata, to_runtime_error},
    client_config::KafkaConfig,
    standalone_consumer::StandaloneConsumer,
};
use crate::log::RuntimeError;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigSource, NewPartitions, NewTopic,
        OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
    },
    consumer::Consumer,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
    metadata::Metadata,
    producer::{BaseProducer, Producer},
};
use std::{
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task,
    time::{Duration, Instant},
};
use topics::{
    plan::{Action, ActualTopic, Cluster, PlanEntry},
    spec::TopicSpec,
};

/// How long brokers have to answer before they count as not reachable.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one call is left waiting before the reason is looked for.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a member that has ended is waited for: longer than its session.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(45);
/// How long a reader that may read is given to be refused.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);
/// The group of the one who administers; it commits nothing.
const GROUP: &str = "fastbreak-admin";

/// What became of a plan's line.
pub type Done = (String, Result<(), RuntimeError>);

/// A connection for administration.
pub struct Admin {
    settings: KafkaConfig,
    client: AdminClient<Context>,
    consumer: StandaloneConsumer,
    context: Context,
}

impl Admin {
    pub fn connect(settings: &KafkaConfig) -> Result<Admin, RuntimeError> {
        settings.check()?;
        let context = Context::default();
        let client = settings.make(&settings.admin(), context.clone())?;
        let consumer =
            StandaloneConsumer::new(settings, &settings.reader(GROUP, "read_committed"), context.clone())?;
        Ok(Admin { settings: settings.clone(), client, consumer, context })
    }
    fn to_runtime_error(&self, doing: &str, error: &KafkaError) -> RuntimeError {
        to_runtime_error(&self.settings.brokers, doing, error, &self.context.last_client_error)
    }
    fn refused(&self, doing: &str, code: Code) -> RuntimeError {
        classify(&self.settings.brokers, doing, code, &KafkaError::AdminOp(code).to_string())
    }
    fn metadata(&self) -> Result<Metadata, RuntimeError> {
        metadata(&self.consumer, &self.settings.brokers, RESPONSE_TIMEOUT)
    }
    fn id(&self) -> Result<String, RuntimeError> {
        cluster_id(self.consumer.client(), &self.settings.brokers, RESPONSE_TIMEOUT)
    }
    /// The cluster's id, and how many brokers it has.
    pub fn brokers(&self) -> Result<(String, usize), RuntimeError> {
        let brokers = self.metadata()?.brokers().len();
        Ok((self.id()?, brokers))
    }
    /// The cluster's topics without Kafka's own; the settings of those that `described` names.
    pub fn cluster(&self, described: impl Fn(&str) -> bool) -> Result<Cluster, RuntimeError> {
        let metadata = self.metadata()?;
        let id = self.id()?;
        let others = metadata.topics().iter().filter(|topic| !topic.name().starts_with("__"));
        let mut topics: BTreeMap<String, ActualTopic> = BTreeMap::new();
        for topic in others {
            let replicas = topic.partitions().iter().map(|partition| partition.replicas().len() as i32).min();
            let found = ActualTopic {
                name: topic.name().to_owned(),
                partitions: topic.partitions().len() as i32,
                replication: replicas.unwrap_or(0),
                ..ActualTopic::default()
            };
            topics.insert(found.name.clone(), found);
        }
        let names: Vec<String> = topics.keys().filter(|name| described(name)).cloned().collect();
        self.describe(&names, &mut topics)?;
        Ok(Cluster { id, topics: topics.into_values().collect() })
    }
    fn describe(
        &self,
        names: &[String],
        topics: &mut BTreeMap<String, ActualTopic>,
    ) -> Result<(), RuntimeError> {
        if names.is_empty() {
            return Ok(());
        }
        let doing = "describing the topics' settings";
        let asked: Vec<ResourceSpecifier<'_>> =
            names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answered = self.wait(doing, self.client.describe_configs(&asked, &options()))?;
        for resource in answered {
            let resource = resource.map_err(|code| self.refused(doing, code))?;
            let OwnedResourceSpecifier::Topic(name) = &resource.specifier else { continue };
            let Some(found) = topics.get_mut(name) else { continue };
            for entry in resource.entries {
                let Some(value) = entry.value else { continue };
                if entry.source == ConfigSource::DynamicTopic {
                    found.topic_overrides.insert(entry.name.clone(), value.clone());
                }
                found.settings.insert(entry.name, value);
            }
        }
        Ok(())
    }
    fn wait<T>(&self, doing: &str, answer: impl Future<Output = KafkaResult<T>>) -> Result<T, RuntimeError> {
        block_on(answer).map_err(|error| self.to_runtime_error(doing, &error))
    }
    /// Those of these topics that the cluster does not have, or has in another number of partitions, in words.
    pub fn missing(&self, wanted: &[TopicSpec]) -> Result<Vec<String>, RuntimeError> {
        let metadata = self.metadata()?;
        let there: BTreeMap<&str, i32> =
            metadata.topics().iter().map(|topic| (topic.name(), topic.partitions().len() as i32)).collect();
        let wrong = |spec: &TopicSpec| match there.get(spec.name.as_str()) {
            None => Some(format!("{} is missing", spec.name)),
            Some(n) if *n != spec.partitions => {
                Some(format!("{} has {n} partitions, not {}", spec.name, spec.partitions))
            }
            Some(_) => None,
        };
        Ok(wanted.iter().filter_map(wrong).collect())
    }
    /// Carries out a plan's lines; each succeeds or fails for itself.
    pub fn carry_out<'a>(&self, steps: impl Iterator<Item = &'a PlanEntry>) -> Vec<Done> {
        let (new, old): (Vec<&PlanEntry>, Vec<&PlanEntry>) =
            steps.partition(|line| matches!(line.action, Action::Create { .. }));
        let mut done = self.create(&new);
        done.extend(old.into_iter().map(|line| (line.topic.clone(), self.change(line))));
        done
    }
    fn create<'a>(&self, lines: &[&'a PlanEntry]) -> Vec<Done> {
        let new = |line: &&'a PlanEntry| {
            let Action::Create { partitions, replication, settings } = &line.action else { return None };
            let replicas = TopicReplication::Fixed(replication.unwrap_or(-1));
            let topic = NewTopic::new(&line.topic, *partitions, replicas);
            Some(settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value)))
        };
        let topics: Vec<NewTopic<'_>> = lines.iter().filter_map(new).collect();
        if topics.is_empty() {
            return Vec::new();
        }
        match self.wait("creating topics", self.client.create_topics(&topics, &options())) {
            Ok(results) => results.into_iter().map(|result| self.outcome("creating", result)).collect(),
            Err(runtime_error) => vec![("all".to_owned(), Err(runtime_error))],
        }
    }
    fn outcome(&self, doing: &str, result: Result<String, (String, Code)>) -> Done {
        match result {
            Ok(topic) => (topic, Ok(())),
            Err((topic, code)) => {
                let runtime_error = self.refused(&format!("{doing} {topic}"), code);
                (topic, Err(runtime_error))
            }
        }
    }
    fn change(&self, line: &PlanEntry) -> Result<(), RuntimeError> {
        let topic = line.topic.as_str();
        let (doing, options) = (format!("changing {topic}"), options());
        match &line.action {
            Action::AlterConfig { topic_overrides, .. } => {
                let altered = topic_overrides
                    .iter()
                    .fold(AlterConfig::new(ResourceSpecifier::Topic(topic)), |altered, (key, value)| {
                        altered.set(key, value)
                    });
                let altered = [altered];
                let results = self.wait(&doing, self.client.alter_configs(&altered, &options))?;
                results.into_iter().try_for_each(|result| match result {
                    Ok(_) => Ok(()),
                    Err((_, code)) => Err(self.refused(&doing, code)),
                })
            }
            Action::AddPartitions { to, .. } => {
                let more = [NewPartitions::new(topic, *to as usize)];
                let results = self.wait(&doing, self.client.create_partitions(&more, &options))?;
                results.into_iter().try_for_each(|result| self.outcome("adding partitions to", result).1)
            }
            Action::Delete { .. } => {
                let results = self.wait(&doing, self.client.delete_topics(&[topic], &options))?;
                results.into_iter().try_for_each(|result| self.outcome("deleting", result).1)
            }
            Action::Create { .. } | Action::Refused { .. } | Action::Unmanaged => Ok(()),
        }
    }
    /// Deletes consumer groups and then topics; answers what is gone. A group whose members have just ended is waited for: a member
    /// under a name is there until its session ends.
    ///
    /// # Errors
    /// `RuntimeError::Precondition` when somebody still is in a group; no topic is gone then.
    pub fn remove(&self, topics: &[String], groups: &[String]) -> Result<Vec<String>, RuntimeError> {
        let mut gone = Vec::new();
        let (doing, options) = ("removing a namespace", options());
        let (mut left, since) = (groups.to_vec(), Instant::now());
        while !left.is_empty() {
            let names: Vec<&str> = left.iter().map(String::as_str).collect();
            let mut active_groups = Vec::new();
            for result in self.wait(doing, self.client.delete_groups(&names, &options))? {
                match result {
                    Ok(group) => gone.push(group),
                    Err((_, Code::GroupIdNotFound)) => {}
                    Err((group, Code::NonEmptyGroup)) => active_groups.push(group),
                    Err((group, code)) => {
                        return Err(self.refused(&format!("deleting the group {group}"), code));
                    }
                }
            }
            left = active_groups;
            if let Some(group) = left.first() {
                if since.elapsed() > SESSION_END_TIMEOUT {
                    return Err(RuntimeError::Precondition {
                        what: format!("deleting the group {group}"),
                        reason: "it has members".into(),
                        next: "stop the process that runs this replay, then try again".into(),
                    });
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        if !topics.is_empty() {
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            for result in self.wait(doing, self.client.delete_topics(&names, &options))? {
                let (topic, removed) = self.outcome("deleting", result);
                removed?;
                gone.push(topic);
            }
        }
        Ok(gone)
    }
    /// Deletes a topic's records below these offsets, by partition.
    pub fn purge(&self, topic: &str, below: &BTreeMap<i32, i64>) -> Result<(), RuntimeError> {
        let doing = format!("purging {topic}");
        let mut list = TopicPartitionList::new();
        for (partition, below) in below {
            let added = list.add_partition_offset(topic, *partition, Offset::Offset(*below));
            added.map_err(|error| self.to_runtime_error(&doing, &error))?;
        }
        let answered = self.wait(&doing, self.client.delete_records(&list, &options()))?;
        answered.elements().iter().try_for_each(|element| {
            element
                .error()
                .map_err(|error| self.to_runtime_error(&format!("{doing}/{}", element.partition()), &error))
        })
    }
    /// Whether this user may read the topics that are there, make transactions, and commit the groups' positions: what can be asked
    /// without changing anything.
    pub fn acl_checks(
        &self,
        topics: &[String],
        groups: &[String],
    ) -> Vec<(&'static str, Result<(), RuntimeError>)> {
        vec![
            ("read the topics", self.can_read(topics)),
            ("make transactions", self.transactional().map(drop)),
            ("commit the groups' positions", self.can_commit(topics, groups)),
        ]
    }
    fn can_read(&self, topics: &[String]) -> Result<(), RuntimeError> {
        let doing = "reading the topics";
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let added = list.add_partition_offset(topic, 0, Offset::End);
            added.map_err(|error| self.to_runtime_error(doing, &error))?;
        }
        self.consumer.assign(&list).map_err(|error| self.to_runtime_error(doing, &error))?;
        let started = Instant::now();
        let mut outcome = Ok(());
        while outcome.is_ok() && started.elapsed() < REFUSAL_TIMEOUT {
            if let Some(Err(error)) = self.consumer.poll(Duration::from_millis(100))
                && let Some(code @ (Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed)) =
                    error.rdkafka_error_code()
            {
                outcome = Err(self.refused(doing, code));
            }
        }
        self.consumer.unassign().map_err(|error| self.to_runtime_error(doing, &error))?;
        outcome
    }
    fn can_commit(&self, topics: &[String], groups: &[String]) -> Result<(), RuntimeError> {
        let Some(topic) = topics.first() else { return Ok(()) };
        let producer = self.transactional()?;
        for group in groups {
            let doing = format!("committing positions of group {group}");
            let context = Context::default();
            let config = self.settings.reader(group, "read_committed");
            let consumer = StandaloneConsumer::new(&self.settings, &config, context)?;
            let mut list = TopicPartitionList::new();
            list.add_partition(topic, 0);
            let answered = consumer.committed_offsets(list.clone(), RESPONSE_TIMEOUT);
            answered.map_err(|error| self.to_runtime_error(&doing, &error))?;
            let Some(metadata) = consumer.group_metadata() else { continue };
            // Aborted, it moves nothing; to be allowed to, one must be allowed to join the group.
            let asked = list.set_all_offsets(Offset::Offset(0)).and_then(|()| {
                producer.begin_transaction()?;
                let sent = producer.send_offsets_to_transaction(&list, &metadata, RESPONSE_TIMEOUT);
                producer.abort_transaction(RESPONSE_TIMEOUT).and(sent)
            });
            asked.map_err(|error| self.to_runtime_error(&doing, &error))?;
        }
        Ok(())
    }
    /// A producer that may make transactions.
    fn transactional(&self) -> Result<BaseProducer<Context>, RuntimeError> {
        let context = Context::default();
        let producer: BaseProducer<Context> =
            self.settings.make(&self.settings.producer("check"), context.clone())?;
        let begun = producer.init_transactions(RESPONSE_TIMEOUT);
        let doing = "making a transaction";
        begun.map_err(|error| {
            to_runtime_error(&self.settings.brokers, doing, &error, &context.last_client_error)
        })?;
        Ok(producer)
    }
    /// Waits until every partition of these topics has a leader that answers, which takes a moment after they are made.
    pub fn await_leaders<'a>(&self, topics: impl Iterator<Item = (&'a str, i32)>) {
        let started = Instant::now();
        for (topic, partition) in topics.flat_map(|(topic, many)| (0..many).map(move |p| (topic, p))) {
            while self.consumer.fetch_watermarks(topic, partition, CALL_TIMEOUT).is_err()
                && started.elapsed() < RESPONSE_TIMEOUT
            {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(RESPONSE_TIMEOUT)).operation_timeout(Some(RESPONSE_TIMEOUT))
}

/// Wakes the thread that waits.
struct Unpark(std::thread::Thread);
impl task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
/// Waits for an answer on this thread; the client's own thread brings it.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            task::Poll::Ready(output) => return output,
            task::Poll::Pending => std::thread::park(),
        }
    }
}
