//! What went wrong, by who has to act.
//!
//! Invariant: a failure whose effect is unknown is `OutcomeUnknown`, never taken for a refusal. Only what the operator can change, or a bug,
//! stops the sink; throttles and quotas wait, however long.
//! Not here: what is done about a class (`jobs`).

/// Why a call has no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// Nothing was sent.
    NotSent(String),
    /// It was sent, and what became of it is not known.
    OutcomeUnknown(String),
    /// There is no token.
    Auth(String),
    Response(ErrorResponse),
    /// None: it is being answered, and takes longer than one call waits.
    Pending(String),
}

/// What BigQuery says against a call or a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// Of the answer; none: a job's own error.
    pub status: Option<u16>,
    pub reason: String,
    pub message: String,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Nobody: nothing was done, the same id later.
    Transient,
    /// Nobody: look what became of it.
    Ambiguous,
    /// The id is taken: the job is adopted.
    JobExists,
    /// Nobody: the token is refreshed, once.
    Auth,
    /// Nobody: slower, the same id.
    Throttle,
    /// Nobody: in ten minutes, the same id.
    Quota,
    /// Nobody: the job failed, another attempt with a new id.
    RetryableJob,
    /// Somebody: others write to the table too. Another attempt.
    DmlQueueFull,
    /// Nobody: a write of the same rows came first. Another attempt.
    Conflict,
    /// The sink: the batch is sent in another way.
    Size,
    /// The sink: one of the rows cannot be read.
    BadRow,
    /// The operator: what is there is not what should be there.
    InvalidTarget,
    /// The operator: not allowed, not paid.
    AccessOrBilling,
    /// The operator: the table has two rows of one key.
    DuplicateRow,
}
impl ErrorClass {
    pub const fn name(self) -> &'static str {
        match self {
            ErrorClass::Transient => "transient",
            ErrorClass::Ambiguous => "ambiguous",
            ErrorClass::JobExists => "job_exists",
            ErrorClass::Auth => "auth",
            ErrorClass::Throttle => "throttle",
            ErrorClass::Quota => "quota",
            ErrorClass::RetryableJob => "retryable_job",
            ErrorClass::DmlQueueFull => "dml_queue_full",
            ErrorClass::Conflict => "conflict",
            ErrorClass::Size => "size",
            ErrorClass::BadRow => "bad_row",
            ErrorClass::InvalidTarget => "invalid_target",
            ErrorClass::AccessOrBilling => "access_or_billing",
            ErrorClass::DuplicateRow => "duplicate_row",
        }
    }
}

impl ApiError {
    pub fn class(&self) -> ErrorClass {
        match self {
            ApiError::NotSent(_) => ErrorClass::Transient,
            ApiError::OutcomeUnknown(_) => ErrorClass::Ambiguous,
            ApiError::Auth(_) => ErrorClass::Auth,
            ApiError::Response(response) => response.class(),
            ApiError::Pending(_) => ErrorClass::Ambiguous,
        }
    }
    pub fn is_not_found(&self) -> bool {
        matches!(self, ApiError::Response(response) if response.status == Some(404))
    }
    pub fn is_status(&self, status: u16) -> bool {
        matches!(self, ApiError::Response(response) if response.status == Some(status))
    }
}
impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ApiError::NotSent(what)
            | ApiError::OutcomeUnknown(what)
            | ApiError::Auth(what)
            | ApiError::Pending(what) => f.write_str(what),
            ApiError::Response(response) => response.fmt(f),
        }
    }
}
impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "BigQuery answered {status} {}: {}", self.reason, self.message),
            None => write!(f, "the job failed, {}: {}", self.reason, self.message),
        }
    }
}

impl ErrorResponse {
    /// By status, reason and text: BigQuery says several things with one reason.
    pub fn class(&self) -> ErrorClass {
        let says = |part: &str| self.message.to_lowercase().contains(part);
        if says("too many dml statements outstanding") {
            return ErrorClass::DmlQueueFull;
        }
        if says("could not serialize access") || says("concurrent update") {
            return ErrorClass::Conflict;
        }
        if says("queued for too long") {
            return ErrorClass::RetryableJob;
        }
        if says("must match at most one source row") {
            return ErrorClass::DuplicateRow;
        }
        let class = match self.reason.as_str() {
            "duplicate" => match self.status {
                Some(_) => ErrorClass::JobExists,
                // A job that is there is no duplicate: something in it was.
                None => ErrorClass::RetryableJob,
            },
            "rateLimitExceeded" => ErrorClass::Throttle,
            "jobRateLimitExceeded" | "jobBackendError" | "jobInternalError" | "tableUnavailable" => {
                ErrorClass::RetryableJob
            }
            "backendError" | "internalError" => self.unless_job_error(ErrorClass::Ambiguous),
            "quotaExceeded" => match says("exceeded rate limits") {
                true => ErrorClass::Throttle,
                false => ErrorClass::Quota,
            },
            "accessDenied" | "billingNotEnabled" | "billingTierLimitExceeded" | "blocked" => {
                ErrorClass::AccessOrBilling
            }
            "notFound" => ErrorClass::InvalidTarget,
            "resourcesExceeded" | "responseTooLarge" => ErrorClass::Size,
            "stopped" | "timeout" => ErrorClass::RetryableJob,
            "invalid" | "invalidQuery" => self.query_class(),
            _ => return self.status_class(),
        };
        // In an answer, what only a job can be is that of the call.
        match (class, self.status) {
            (ErrorClass::RetryableJob, Some(_)) => ErrorClass::Throttle,
            (class, _) => class,
        }
    }
    const fn unless_job_error(&self, class: ErrorClass) -> ErrorClass {
        if self.status.is_none() { ErrorClass::RetryableJob } else { class }
    }
    /// A statement that is refused names a column or table that is not there, or a value that cannot be read.
    fn query_class(&self) -> ErrorClass {
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
            return ErrorClass::Size;
        }
        if is_schema.into_iter().any(says) { ErrorClass::InvalidTarget } else { ErrorClass::BadRow }
    }
    const fn status_class(&self) -> ErrorClass {
        match self.status {
            Some(401) => ErrorClass::Auth,
            Some(403) => ErrorClass::AccessOrBilling,
            Some(404) => ErrorClass::InvalidTarget,
            Some(409) => ErrorClass::JobExists,
            Some(412) => ErrorClass::Conflict,
            Some(413) => ErrorClass::Size,
            Some(429) => ErrorClass::Throttle,
            Some(500..) | None => self.unless_job_error(ErrorClass::Ambiguous),
            Some(_) => ErrorClass::InvalidTarget,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: Option<u16>, reason: &str, message: &str) -> ErrorClass {
        ErrorResponse { status, reason: reason.into(), message: message.into() }.class()
    }
    #[test]
    fn each_thing_that_bigquery_says_is_for_the_one_who_can_act() {
        let outstanding = "Resources exceeded during query execution: Too many DML statements outstanding against table p:d.t, limit is 20.";
        let rate = "Exceeded rate limits: too many table update operations for this table.";
        let at_most = "UPDATE/MERGE must match at most one source row for each target row";
        for (status, reason, message, expected) in [
            (Some(409), "duplicate", "Already Exists: Job p:US.x", ErrorClass::JobExists),
            (
                Some(503),
                "backendError",
                "Error encountered during execution. Retrying may solve the problem.",
                ErrorClass::Ambiguous,
            ),
            (Some(500), "", "", ErrorClass::Ambiguous),
            (Some(502), "", "<html>", ErrorClass::Ambiguous),
            (Some(401), "authError", "Request had invalid authentication credentials.", ErrorClass::Auth),
            (Some(403), "rateLimitExceeded", rate, ErrorClass::Throttle),
            (Some(429), "", "", ErrorClass::Throttle),
            (
                Some(403),
                "quotaExceeded",
                "Quota exceeded: Your table exceeded quota for imports or query appends per table",
                ErrorClass::Quota,
            ),
            (Some(403), "accessDenied", "Access Denied: Table", ErrorClass::AccessOrBilling),
            (Some(403), "billingNotEnabled", "", ErrorClass::AccessOrBilling),
            (Some(404), "notFound", "Not found: Table", ErrorClass::InvalidTarget),
            (Some(413), "", "Request Entity Too Large", ErrorClass::Size),
            (None, "jobRateLimitExceeded", rate, ErrorClass::RetryableJob),
            (None, "jobBackendError", "", ErrorClass::RetryableJob),
            (None, "jobInternalError", "", ErrorClass::RetryableJob),
            (None, "backendError", "", ErrorClass::RetryableJob),
            (None, "internalError", "", ErrorClass::RetryableJob),
            (None, "tableUnavailable", "", ErrorClass::RetryableJob),
            (None, "resourcesExceeded", outstanding, ErrorClass::DmlQueueFull),
            (Some(400), "resourcesExceeded", outstanding, ErrorClass::DmlQueueFull),
            (
                None,
                "invalidQuery",
                "Could not serialize access to table p:d.t due to concurrent update",
                ErrorClass::Conflict,
            ),
            (None, "invalid", "The query was queued for too long", ErrorClass::RetryableJob),
            (None, "invalidQuery", at_most, ErrorClass::DuplicateRow),
            (None, "resourcesExceeded", "Query exceeded resource limits", ErrorClass::Size),
            (None, "invalidQuery", "Bad double value: abc", ErrorClass::BadRow),
            (None, "invalid", "Could not cast literal", ErrorClass::BadRow),
            (None, "invalidQuery", "Unrecognized name: player_name at [3:1]", ErrorClass::InvalidTarget),
            (None, "quotaExceeded", "Quota exceeded: Your project exceeded quota", ErrorClass::Quota),
            (None, "stopped", "Job execution was cancelled", ErrorClass::RetryableJob),
        ] {
            assert_eq!(class(status, reason, message), expected, "{status:?} {reason} {message}");
        }
    }
}
