//! Errors of BigQuery's API, and their classes.
//!
//! Invariant: a failure with an unknown effect is `OutcomeUnknown`, never a rejection. Only an error that the operator can resolve, or a
//! bug, stops the sink; throttling and exceeded quotas are retried without end.
//! Not here: reacting to a class (`job_runner`, `retry_policy`); a query or job that is still running, which is no error (`call_end`).

/// Failure of a call to BigQuery's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The request was not sent.
    NotSent(String),
    /// The request was sent, but no usable response arrived.
    OutcomeUnknown(String),
    /// No access token could be obtained, so the request was not sent.
    Auth(String),
    /// An error response, or the error of a job.
    Response(ErrorResponse),
    /// A query is done, but its result does not have the expected form. Contains the id of the query's job and the reason.
    UnexpectedResult { job: String, reason: String },
}

/// Error response to a call, or error of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// HTTP status; `None` for the error of a job.
    pub status: Option<u16>,
    pub reason: String,
    pub message: String,
}

/// Class of an error, which determines how the sink reacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Nothing was sent, so the sink retries with the same job id.
    Transient,
    /// It is unknown whether the request took effect, so the sink looks the job up.
    Ambiguous,
    /// A job with this id exists already, and the sink reuses it.
    JobExists,
    /// There is no access token, or BigQuery rejects the token even after a refresh. The sink retries and alerts the operator.
    Auth,
    /// Too many requests were sent. The sink retries with the same job id after a pause.
    Throttle,
    /// A quota is used up. The sink retries with the same job id after at least ten minutes.
    Quota,
    /// The job failed for a transient reason. The sink sends another attempt, which has a new job id.
    RetryableJob,
    /// Other writers fill the DML queue of the table. The sink sends another attempt.
    DmlQueueFull,
    /// A concurrent DML job changed the same rows first. The sink sends another attempt.
    Conflict,
    /// The request or the job is too large: the sink stages or splits the batch.
    Size,
    /// A row cannot be converted: the sink searches for it.
    BadRow,
    /// The operator must act: a dataset, table or column is missing or has a different type.
    InvalidTarget,
    /// The operator must act: a permission is missing or billing is not enabled.
    AccessOrBilling,
    /// The operator must act: the table has two rows with the same key.
    DuplicateRow,
    /// The operator must act: the result of a query does not have the expected form, since the table is damaged or the program has a bug.
    UnexpectedResult,
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
            ErrorClass::UnexpectedResult => "unexpected_result",
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
            ApiError::UnexpectedResult { .. } => ErrorClass::UnexpectedResult,
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
            ApiError::NotSent(what) | ApiError::OutcomeUnknown(what) | ApiError::Auth(what) => {
                f.write_str(what)
            }
            ApiError::Response(response) => response.fmt(f),
            ApiError::UnexpectedResult { job, reason } => {
                write!(f, "the result of query {job} does not have the expected form: {reason}")
            }
        }
    }
}
impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "BigQuery responded {status} {}: {}", self.reason, self.message),
            None => write!(f, "the job failed, {}: {}", self.reason, self.message),
        }
    }
}

impl ErrorResponse {
    /// Classifies the error by status, reason and message, since BigQuery uses one reason for several causes.
    pub fn class(&self) -> ErrorClass {
        let contains = |part: &str| self.message.to_lowercase().contains(part);
        if contains("too many dml statements outstanding") {
            return ErrorClass::DmlQueueFull;
        }
        if contains("could not serialize access") || contains("concurrent update") {
            return ErrorClass::Conflict;
        }
        if contains("queued for too long") {
            return ErrorClass::RetryableJob;
        }
        if contains("must match at most one source row") {
            return ErrorClass::DuplicateRow;
        }
        let class = match self.reason.as_str() {
            "duplicate" => match self.status {
                Some(_) => ErrorClass::JobExists,
                // The job was created, so `duplicate` refers to an object inside the job, not to the job id.
                None => ErrorClass::RetryableJob,
            },
            "rateLimitExceeded" => ErrorClass::Throttle,
            "jobRateLimitExceeded" | "jobBackendError" | "jobInternalError" | "tableUnavailable" => {
                ErrorClass::RetryableJob
            }
            "backendError" | "internalError" => self.unless_job_error(ErrorClass::Ambiguous),
            "quotaExceeded" if contains("exceeded rate limits") => ErrorClass::Throttle,
            "quotaExceeded" => ErrorClass::Quota,
            "accessDenied" | "billingNotEnabled" | "billingTierLimitExceeded" | "blocked" => {
                ErrorClass::AccessOrBilling
            }
            "notFound" => ErrorClass::InvalidTarget,
            "resourcesExceeded" | "responseTooLarge" => ErrorClass::Size,
            "stopped" | "timeout" => ErrorClass::RetryableJob,
            "invalid" | "invalidQuery" => self.query_class(),
            _ => return self.status_class(),
        };
        // An HTTP status means that the call was rejected and created no job, so the same id is sent again.
        match (class, self.status) {
            (ErrorClass::RetryableJob, Some(_)) => ErrorClass::Throttle,
            (class, _) => class,
        }
    }
    const fn unless_job_error(&self, class: ErrorClass) -> ErrorClass {
        if self.status.is_none() { ErrorClass::RetryableJob } else { class }
    }
    /// Classifies the error of a rejected statement: a column or table is missing, or a value cannot be converted.
    fn query_class(&self) -> ErrorClass {
        let contains = |part: &str| self.message.contains(part);
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
        if contains("Request payload size exceeds") || contains("too large") {
            return ErrorClass::Size;
        }
        if is_schema.into_iter().any(contains) { ErrorClass::InvalidTarget } else { ErrorClass::BadRow }
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
    fn every_documented_error_has_its_class() {
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
