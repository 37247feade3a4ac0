//! What went wrong, by who has to act.
//!
//! Invariant: a failure whose effect is unknown is `Unheard`, never taken for a refusal. Only what the operator can change, or a bug,
//! stops the sink; throttles and quotas wait, however long.
//! Not here: what is done about a class (`submit`).

/// Why a call has no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing was sent.
    Unsent(String),
    /// It was sent, and what became of it is not known.
    Unheard(String),
    /// There is no token.
    Credentials(String),
    Refused(Refusal),
    /// None: it is being answered, and takes longer than one call waits.
    Open(String),
}

/// What BigQuery says against a call or a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the answer; none: a job's own error.
    pub status: Option<u16>,
    pub reason: String,
    pub message: String,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Nobody: nothing was done, the same id later.
    Transient,
    /// Nobody: look what became of it.
    Ambiguous,
    /// The id is taken: the job is adopted.
    Duplicate,
    /// Nobody: the token is refreshed, once.
    Auth,
    /// Nobody: slower, the same id.
    Throttle,
    /// Nobody: in ten minutes, the same id.
    Quota,
    /// Nobody: the job failed, another attempt with a new id.
    Again,
    /// Somebody: others write to the table too. Another attempt.
    Crowded,
    /// Nobody: a write of the same rows came first. Another attempt.
    Conflict,
    /// The sink: the batch is sent in another way.
    Size,
    /// The sink: one of the rows cannot be read.
    Poison,
    /// The operator: what is there is not what should be there.
    Config,
    /// The operator: not allowed, not paid.
    Fatal,
    /// The operator: the table has two rows of one key.
    Bug,
}
impl Class {
    pub const fn name(self) -> &'static str {
        match self {
            Class::Transient => "transient",
            Class::Ambiguous => "ambiguous",
            Class::Duplicate => "duplicate",
            Class::Auth => "auth",
            Class::Throttle => "throttle",
            Class::Quota => "quota",
            Class::Again => "again",
            Class::Crowded => "crowded",
            Class::Conflict => "conflict",
            Class::Size => "size",
            Class::Poison => "poison",
            Class::Config => "config",
            Class::Fatal => "fatal",
            Class::Bug => "bug",
        }
    }
}

impl Trouble {
    pub fn class(&self) -> Class {
        match self {
            Trouble::Unsent(_) => Class::Transient,
            Trouble::Unheard(_) => Class::Ambiguous,
            Trouble::Credentials(_) => Class::Auth,
            Trouble::Refused(refusal) => refusal.class(),
            Trouble::Open(_) => Class::Ambiguous,
        }
    }
    pub fn is_not_found(&self) -> bool {
        matches!(self, Trouble::Refused(refusal) if refusal.status == Some(404))
    }
    pub fn is_status(&self, status: u16) -> bool {
        matches!(self, Trouble::Refused(refusal) if refusal.status == Some(status))
    }
}
impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Unsent(what)
            | Trouble::Unheard(what)
            | Trouble::Credentials(what)
            | Trouble::Open(what) => f.write_str(what),
            Trouble::Refused(refusal) => refusal.fmt(f),
        }
    }
}
impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "BigQuery answered {status} {}: {}", self.reason, self.message),
            None => write!(f, "the job failed, {}: {}", self.reason, self.message),
        }
    }
}

impl Refusal {
    /// By status, reason and text: BigQuery says several things with one reason.
    pub fn class(&self) -> Class {
        let says = |part: &str| self.message.to_lowercase().contains(part);
        if says("too many dml statements outstanding") {
            return Class::Crowded;
        }
        if says("could not serialize access") || says("concurrent update") {
            return Class::Conflict;
        }
        if says("queued for too long") {
            return Class::Again;
        }
        if says("must match at most one source row") {
            return Class::Bug;
        }
        let class = match self.reason.as_str() {
            "duplicate" => match self.status {
                Some(_) => Class::Duplicate,
                // A job that is there is no duplicate: something in it was.
                None => Class::Again,
            },
            "rateLimitExceeded" => Class::Throttle,
            "jobRateLimitExceeded" | "jobBackendError" | "jobInternalError" | "tableUnavailable" => {
                Class::Again
            }
            "backendError" | "internalError" => self.unless_job(Class::Ambiguous),
            "quotaExceeded" => match says("exceeded rate limits") {
                true => Class::Throttle,
                false => Class::Quota,
            },
            "accessDenied" | "billingNotEnabled" | "billingTierLimitExceeded" | "blocked" => Class::Fatal,
            "notFound" => Class::Config,
            "resourcesExceeded" | "responseTooLarge" => Class::Size,
            "stopped" | "timeout" => Class::Again,
            "invalid" | "invalidQuery" => self.of_query(),
            _ => return self.of_status(),
        };
        // In an answer, what only a job can be is that of the call.
        match (class, self.status) {
            (Class::Again, Some(_)) => Class::Throttle,
            (class, _) => class,
        }
    }
    const fn unless_job(&self, class: Class) -> Class {
        if self.status.is_none() { Class::Again } else { class }
    }
    /// A statement that is refused names a column or table that is not there, or a value that cannot be read.
    fn of_query(&self) -> Class {
        let says = |part: &str| self.message.contains(part);
        let is_schema = [
            "Unrecognized name",
            "not found inside",
            "No such field",
            "Column name",
            "is not present in table",
            "has type",
            "cannot be assigned to",
            "Syntax error",
            "Invalid project",
            "Invalid dataset",
            "Query parameter",
        ];
        if says("Request payload size exceeds") || says("too large") {
            return Class::Size;
        }
        if is_schema.into_iter().any(says) { Class::Config } else { Class::Poison }
    }
    const fn of_status(&self) -> Class {
        match self.status {
            Some(401) => Class::Auth,
            Some(403) => Class::Fatal,
            Some(404) => Class::Config,
            Some(409) => Class::Duplicate,
            Some(412) => Class::Conflict,
            Some(413) => Class::Size,
            Some(429) => Class::Throttle,
            Some(500..) | None => self.unless_job(Class::Ambiguous),
            Some(_) => Class::Config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: Option<u16>, reason: &str, message: &str) -> Class {
        Refusal { status, reason: reason.into(), message: message.into() }.class()
    }
    #[test]
    fn each_thing_that_bigquery_says_is_for_the_one_who_can_act() {
        let outstanding = "Resources exceeded during query execution: Too many DML statements outstanding against table p:d.t, limit is 20.";
        let rate = "Exceeded rate limits: too many table update operations for this table.";
        let at_most = "UPDATE/MERGE must match at most one source row for each target row";
        for (status, reason, message, expected) in [
            (Some(409), "duplicate", "Already Exists: Job p:US.x", Class::Duplicate),
            (
                Some(503),
                "backendError",
                "Error encountered during execution. Retrying may solve the problem.",
                Class::Ambiguous,
            ),
            (Some(500), "", "", Class::Ambiguous),
            (Some(502), "", "<html>", Class::Ambiguous),
            (Some(401), "authError", "Request had invalid authentication credentials.", Class::Auth),
            (Some(403), "rateLimitExceeded", rate, Class::Throttle),
            (Some(429), "", "", Class::Throttle),
            (
                Some(403),
                "quotaExceeded",
                "Quota exceeded: Your table exceeded quota for imports or query appends per table",
                Class::Quota,
            ),
            (Some(403), "accessDenied", "Access Denied: Table", Class::Fatal),
            (Some(403), "billingNotEnabled", "", Class::Fatal),
            (Some(404), "notFound", "Not found: Table", Class::Config),
            (Some(413), "", "Request Entity Too Large", Class::Size),
            (None, "jobRateLimitExceeded", rate, Class::Again),
            (None, "jobBackendError", "", Class::Again),
            (None, "jobInternalError", "", Class::Again),
            (None, "backendError", "", Class::Again),
            (None, "internalError", "", Class::Again),
            (None, "tableUnavailable", "", Class::Again),
            (None, "resourcesExceeded", outstanding, Class::Crowded),
            (Some(400), "resourcesExceeded", outstanding, Class::Crowded),
            (
                None,
                "invalidQuery",
                "Could not serialize access to table p:d.t due to concurrent update",
                Class::Conflict,
            ),
            (None, "invalid", "The query was queued for too long", Class::Again),
            (None, "invalidQuery", at_most, Class::Bug),
            (None, "resourcesExceeded", "Query exceeded resource limits", Class::Size),
            (None, "invalidQuery", "Bad double value: abc", Class::Poison),
            (None, "invalid", "Could not cast literal", Class::Poison),
            (None, "invalidQuery", "Unrecognized name: player_name at [3:1]", Class::Config),
            (None, "quotaExceeded", "Quota exceeded: Your project exceeded quota", Class::Quota),
            (None, "stopped", "Job execution was cancelled", Class::Again),
        ] {
            assert_eq!(class(status, reason, message), expected, "{status:?} {reason} {message}");
        }
    }
}
