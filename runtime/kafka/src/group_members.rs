//! The members of all consumer groups, with the partitions that are assigned to each.
//!
//! Brokers return an assignment as the bytes that the leader of the group wrote, in the format of Kafka's consumer protocol.
//! Invariant: an assignment that cannot be parsed counts as none, so the member is known, but owns no partition.
//! Not here: this process as a member (`member`).
use crate::{context::Context, query_client::REQUEST_TIMEOUT};
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    groups::GroupMemberInfo,
};
use runtime::lag::Owner;
use std::collections::BTreeMap;

/// A member of a consumer group, and the partitions that are assigned to it, by the physical name of the topic.
pub struct AssignedMember {
    pub owner: Owner,
    pub partitions: Vec<(String, i32)>,
}

/// Returns the members of the groups that have any, by the physical name of the group.
///
/// # Errors
/// When the brokers are not reachable or reject the request.
pub fn members_by_group(
    consumer: &BaseConsumer<Context>,
) -> Result<BTreeMap<String, Vec<AssignedMember>>, KafkaError> {
    let groups = consumer.fetch_group_list(None, REQUEST_TIMEOUT)?;
    let active = groups.groups().iter().filter(|group| !group.members().is_empty());
    Ok(active
        .map(|group| (group.name().to_owned(), group.members().iter().map(assigned_member).collect()))
        .collect())
}

fn assigned_member(member: &GroupMemberInfo) -> AssignedMember {
    let owner = Owner::Member {
        member: member.id().to_owned(),
        client: member.client_id().to_owned(),
        host: member.client_host().trim_start_matches('/').to_owned(),
    };
    let partitions = member.assignment().and_then(parse_assignment).unwrap_or_default();
    AssignedMember { owner, partitions }
}

/// Parses an assignment of the consumer protocol: a version of two bytes, and a list of topics, each with a list of partitions. `None` if
/// the bytes end too early or a name is not text.
fn parse_assignment(mut bytes: &[u8]) -> Option<Vec<(String, i32)>> {
    take::<2>(&mut bytes)?;
    let mut assigned = Vec::new();
    for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
        let length = u16::from_be_bytes(take(&mut bytes)?);
        let (name, rest) = bytes.split_at_checked(usize::from(length))?;
        let topic = std::str::from_utf8(name).ok()?;
        bytes = rest;
        for _ in 0..i32::from_be_bytes(take(&mut bytes)?) {
            assigned.push((topic.to_owned(), i32::from_be_bytes(take(&mut bytes)?)));
        }
    }
    Some(assigned)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_parsed_and_a_shortened_one_is_none() {
        let bytes =
            b"\0\x01\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x03\0\x02bc\0\0\0\x01\0\0\0\x01\0\0\0\0";
        let expected = vec![("a".to_owned(), 0), ("a".to_owned(), 3), ("bc".to_owned(), 1)];
        assert_eq!(parse_assignment(bytes), Some(expected));
        // The last four bytes are the length of the user data, which are not read.
        for end in 0..bytes.len() - 4 {
            assert_eq!(parse_assignment(&bytes[..end]), None, "{end}");
        }
        assert_eq!(parse_assignment(b"\0\0\x7f\xff\xff\xff"), None);
    }
}
