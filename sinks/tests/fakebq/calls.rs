//! API calls of the fake: responds to HTTP requests, or injects a fault.
//!
//! Invariant: a fault applies to one call of its kind, and the call is either executed before the fault or not at all.
//! Not here: executing jobs (`jobs`), the interface for tests (`mod`).
use super::{
    Call, DATASET, Fault, FaultResponse, PROJECT, State,
    http::{HttpResponse, Request, parts},
    jobs::Work,
    statement::{Statement, parse},
    table::{self, Failed},
};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sinks::bigquery::{Clock, schema};
use std::{collections::BTreeMap, io::Read};

fn error(status: u16, reason: &str, message: &str) -> HttpResponse {
    let body = json!({"error": {"code": status, "message": message,
        "errors": [{"domain": "global", "reason": reason, "message": message}], "status": reason.to_uppercase()}});
    HttpResponse::Json(status, body.to_string())
}
fn fault_response(fault: FaultResponse) -> HttpResponse {
    match fault {
        FaultResponse::Unavailable => {
            error(503, "backendError", "Error encountered during execution. Retrying may solve the problem.")
        }
        FaultResponse::TooMany => error(429, "rateLimitExceeded", "Too many requests"),
        FaultResponse::RateLimited => error(
            403,
            "rateLimitExceeded",
            "Exceeded rate limits: too many api requests per user per method for this user_method.",
        ),
        FaultResponse::QuotaExceeded => error(
            403,
            "quotaExceeded",
            "Quota exceeded: Your project exceeded quota for free query bytes scanned.",
        ),
        FaultResponse::Html => {
            HttpResponse::Html(502, "<html><title>Error 502 (Server Error)!!1</title></html>".into())
        }
        FaultResponse::Nothing => HttpResponse::Empty(500),
        FaultResponse::Truncated => HttpResponse::Truncated(200, "{\"kind\": \"bigquery#job\", \"sta".into()),
        FaultResponse::Unauthorized => error(
            401,
            "authError",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
        ),
        FaultResponse::Denied => error(
            403,
            "accessDenied",
            "Access Denied: Table fastbreak:predictions.sink_records: Permission bigquery.tables.updateData denied",
        ),
    }
}

impl State {
    pub fn handle(&mut self, request: &Request) -> HttpResponse {
        let now = self.clock.now_ms();
        self.service.statistics.requests += 1;
        if self.log.len() < 5_000 {
            self.log.push(format!("{} {}?{}", request.method, request.path, request.query));
        }
        self.service.advance(now);
        if self.is_dead {
            return HttpResponse::Hangup;
        }
        if let Some(token) = request.header("authorization")
            && self.tokens.last().is_none_or(|last| last != token)
        {
            self.tokens.push(token.to_owned());
        }
        let call = match (request.method.as_str(), request.path.as_str()) {
            ("POST", path) if path.starts_with("/upload/") => Call::Upload,
            ("POST", path) if path.ends_with("/jobs") => Call::Insert,
            ("GET", path) if path.contains("/jobs/") => Call::Job,
            ("PATCH", _) => Call::Patch,
            ("GET", path) if path.ends_with("/tables") => Call::List,
            (_, path) if path.contains("/queries") => Call::Query,
            _ => Call::Any,
        };
        let is_for = |of: Call| of == Call::Any || of == call || (of == Call::Insert && call == Call::Upload);
        let fault = match self.faults.front_mut() {
            Some((of, after, _)) if is_for(*of) && *after > 0 => {
                *after -= 1;
                None
            }
            Some((of, ..)) if is_for(*of) => self.faults.pop_front().map(|(.., fault)| fault),
            _ => None,
        };
        match fault {
            None => self.route(request, now),
            Some(Fault::RequestLost) => HttpResponse::Hangup,
            Some(Fault::ResponseLost) => {
                self.route(request, now);
                HttpResponse::Hangup
            }
            Some(Fault::TimedOut(is_done)) => {
                if is_done {
                    self.route(request, now);
                }
                HttpResponse::Silence
            }
            Some(Fault::Responds(message, is_done)) => {
                if is_done {
                    self.route(request, now);
                }
                fault_response(message)
            }
            Some(Fault::Killed(is_done)) => {
                if is_done {
                    self.route(request, now);
                }
                self.is_dead = true;
                HttpResponse::Hangup
            }
        }
    }

    fn route(&mut self, request: &Request, now: i64) -> HttpResponse {
        assert!(request.header("authorization").is_some_and(|token| token.starts_with("Bearer ")));
        let upload = format!("/upload/bigquery/v2/projects/{PROJECT}/jobs");
        if request.path == upload {
            return self.load(request, now);
        }
        let Some(path) = request.path.strip_prefix(&format!("/bigquery/v2/projects/{PROJECT}/")) else {
            return error(404, "notFound", &format!("Not found: {}", request.path));
        };
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["jobs"]) => self.insert(request, now),
            ("GET", ["jobs", id]) => {
                assert_eq!(
                    request.argument("location"),
                    Some("US"),
                    "the location is missing or wrong: a job outside of US would not be found"
                );
                if id.starts_with("query_") {
                    let done = json!({"status": {"state": "DONE", "errors": [warning()]}});
                    return HttpResponse::Json(200, done.to_string());
                }
                match self.service.jobs.get(*id) {
                    Some(job) => HttpResponse::Json(200, job.show(id, PROJECT).to_string()),
                    None => error(404, "notFound", &format!("Not found: Job {PROJECT}:{id}")),
                }
            }
            ("POST", ["queries"]) => self.query(request),
            ("GET", ["queries", job]) => self.page((*job).to_owned(), request.argument("pageToken")),
            ("POST", ["datasets"]) => {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let name = body["datasetReference"]["datasetId"].as_str().unwrap().to_owned();
                if self.datasets.contains_key(&name) {
                    return error(409, "duplicate", &format!("Already Exists: Dataset {PROJECT}:{name}"));
                }
                self.datasets.insert(name, body["location"].as_str().unwrap().to_owned());
                HttpResponse::Json(200, body.to_string())
            }
            ("GET", ["datasets", name]) => match self.datasets.get(*name) {
                Some(location) => {
                    HttpResponse::Json(200, json!({"id": name, "location": location}).to_string())
                }
                None => error(404, "notFound", &format!("Not found: Dataset {PROJECT}:{name}")),
            },
            ("GET", ["datasets", dataset, "tables"]) => self.list(dataset, request),
            (method, ["datasets", dataset, "tables", table]) => {
                self.table(method, (*dataset).to_owned(), (*table).to_owned(), request)
            }
            _ => error(404, "notFound", &format!("Not found: {}", request.path)),
        }
    }

    fn insert(&mut self, request: &Request, now: i64) -> HttpResponse {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = body["jobReference"]["jobId"].as_str().unwrap().to_owned();
        assert!(
            id.len() <= 63 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
            "{id}"
        );
        assert_eq!(body["jobReference"]["location"], "US");
        let query = &body["configuration"]["query"];
        assert_eq!(query["useLegacySql"], false);
        let text = query["query"].as_str().unwrap();
        let Some(statement) = parse(text, &self.names) else {
            return error(400, "invalidQuery", "Syntax error: Unexpected statement at [1:1]");
        };
        let parameters = parameters(&query["queryParameters"]);
        let work = match statement {
            Statement::Probe => {
                let rows =
                    table::Records::source(&sinks::bigquery::sql::Source::Parameter, &parameters, None);
                Work::Probe { rows: rows.unwrap() }
            }
            statement if statement.is_mutating() => {
                if !self.tables.contains_key(&(DATASET.into(), schema::RECORDS.into())) {
                    return error(
                        404,
                        "notFound",
                        &format!("Not found: Table {PROJECT}:{DATASET}.{}", schema::RECORDS),
                    );
                }
                Work::Change { statement, parameters }
            }
            other => panic!("{other:?} must not be sent as a job"),
        };
        match self.service.insert(&id, work, &request.body, now) {
            Ok(()) => HttpResponse::Json(200, self.service.jobs[&id].show(&id, PROJECT).to_string()),
            Err((status, reason, message)) => error(status, reason, &message),
        }
    }
    fn load(&mut self, request: &Request, now: i64) -> HttpResponse {
        assert_eq!(request.argument("uploadType"), Some("multipart"));
        let kind = request.header("content-type").unwrap();
        let boundary = kind.split_once("boundary=").unwrap().1;
        let [meta, data] = parts(&request.body, boundary);
        let meta: Value = serde_json::from_slice(meta).unwrap();
        // Like BigQuery, detects gzip by the first bytes.
        let mut text = String::new();
        if data.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(data).read_to_string(&mut text).unwrap();
        } else {
            text.push_str(std::str::from_utf8(data).unwrap());
        }
        let data = text;
        let id = meta["jobReference"]["jobId"].as_str().unwrap().to_owned();
        let load = &meta["configuration"]["load"];
        assert_eq!(
            (&load["writeDisposition"], &load["maxBadRecords"]),
            (&json!("WRITE_TRUNCATE"), &json!(0))
        );
        let to = &load["destinationTable"];
        let (dataset, table) =
            (to["datasetId"].as_str().unwrap(), to["tableId"].as_str().unwrap().to_owned());
        if !self.datasets.contains_key(dataset) {
            return error(404, "notFound", &format!("Not found: Dataset {PROJECT}:{dataset}"));
        }
        let line = |line: &str| -> Result<String, Failed> {
            let bad =
                || ("invalid", "Error while reading data, error message: JSON parsing error".to_owned());
            let object: Value = serde_json::from_str(line).map_err(|_| bad())?;
            object["r"].as_str().map(str::to_owned).ok_or_else(bad)
        };
        let rows = data.lines().map(line).collect();
        let work = Work::Load { table: table.clone(), rows, bytes: data.len() };
        match self.service.insert(&id, work, &request.body, now) {
            Ok(()) => {
                let at = (dataset.to_owned(), table);
                let made = self.clock.unix_ms().to_string();
                let labels = &load["destinationTableProperties"]["labels"];
                let table = json!({"type": "TABLE", "creationTime": made, "labels": labels});
                self.tables.entry(at).or_insert(table);
                HttpResponse::Json(200, self.service.jobs[&id].show(&id, PROJECT).to_string())
            }
            Err((status, reason, message)) => error(status, reason, &message),
        }
    }
    fn query(&mut self, request: &Request) -> HttpResponse {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let Some(statement) = parse(body["query"].as_str().unwrap(), &self.names) else {
            return error(400, "invalidQuery", "Syntax error: Unexpected statement at [1:1]");
        };
        let records = (DATASET.to_owned(), schema::RECORDS.to_owned());
        let rows = match statement {
            Statement::Define { name, is_sql_view } => {
                self.define(name, is_sql_view, body["query"].as_str().unwrap());
                vec![]
            }
            Statement::AddColumn(name) => {
                let fields =
                    self.tables.get_mut(&records).unwrap()["schema"]["fields"].as_array_mut().unwrap();
                let field = schema::fields().into_iter().find(|field| field.name == name).unwrap();
                fields.push(json!({"name": name, "type": field.field_type.api()[0], "mode": "NULLABLE"}));
                vec![]
            }
            _ if !self.tables.contains_key(&records) => {
                return error(
                    404,
                    "notFound",
                    &format!("Not found: Table {PROJECT}:{DATASET}.{}", schema::RECORDS),
                );
            }
            Statement::BeginRebuild => {
                self.service
                    .records
                    .change(&Statement::BeginRebuild, &[], &table::Parameters::new(), 0)
                    .unwrap();
                vec![]
            }
            statement => self.service.records.select(&statement, &parameters(&body["queryParameters"])),
        };
        let job = format!("query_{}", self.service.statistics.requests);
        self.pending_queries.insert(job.clone(), (rows, self.running_responses));
        self.page(job, None)
    }
    /// Returns a page of the rows of a query. A page is so small that tests read several pages.
    fn page(&mut self, job: String, from: Option<&str>) -> HttpResponse {
        const ROWS: usize = 50;
        let Some((rows, running_responses)) = self.pending_queries.get_mut(&job) else {
            return error(404, "notFound", &format!("Not found: Job {PROJECT}:{job}"));
        };
        let mut response = json!({"jobComplete": true, "jobReference": {"jobId": job, "projectId": PROJECT}});
        if self.is_warning {
            response["errors"] = json!([warning()]);
        }
        if *running_responses > 0 {
            *running_responses -= 1;
            response["jobComplete"] = json!(false);
            return HttpResponse::Json(200, response.to_string());
        }
        let from: usize = from.map_or(0, |token| token.parse().unwrap());
        let to = rows.len().min(from + ROWS);
        response["rows"] = json!(rows[from..to]);
        response["totalRows"] = json!(rows.len().to_string());
        if to < rows.len() {
            response["pageToken"] = json!(to.to_string());
        } else {
            self.pending_queries.remove(&job);
        }
        HttpResponse::Json(200, response.to_string())
    }
    fn define(&mut self, name: &str, is_sql_view: bool, statement: &str) {
        self.etags += 1;
        let mut table = json!({"etag": self.etags.to_string(), "labels": {}, "creationTime": self.clock.unix_ms().to_string()});
        if is_sql_view {
            table["view"] = json!({"query": statement.split_once("\nAS ").unwrap().1});
        } else if name == schema::RECORDS {
            let field = |field: schema::Field| {
                let mode = match (field.field_type, field.is_required) {
                    (schema::Type::LineLadder, _) => "REPEATED",
                    (_, true) => "REQUIRED",
                    _ => "NULLABLE",
                };
                json!({"name": field.name, "type": field.field_type.api()[0], "mode": mode})
            };
            table["schema"] = json!({"fields": schema::fields().into_iter().map(field).collect::<Vec<_>>()});
        }
        self.tables.entry((DATASET.into(), name.into())).or_insert(table);
    }
    fn list(&self, dataset: &str, request: &Request) -> HttpResponse {
        let all: Vec<Value> = self
            .tables
            .iter()
            .filter(|((of, _), _)| of == dataset)
            .map(|((_, name), table)| {
                let at = json!({"projectId": PROJECT, "datasetId": dataset, "tableId": name});
                json!({"tableReference": at, "creationTime": table["creationTime"], "type": table["type"], "labels": table["labels"]})
            })
            .collect();
        // Pages are small, so that a test reads several.
        let from: usize = request.argument("pageToken").map_or(0, |token| token.parse().unwrap_or(0));
        let page = &all[from..all.len().min(from + 3)];
        let mut response = json!({"tables": page, "totalItems": all.len()});
        if from + 3 < all.len() {
            response["nextPageToken"] = json!((from + 3).to_string());
        }
        HttpResponse::Json(200, response.to_string())
    }
    fn table(&mut self, method: &str, dataset: String, name: String, request: &Request) -> HttpResponse {
        let at = (dataset.clone(), name.clone());
        let missing = error(404, "notFound", &format!("Not found: Table {PROJECT}:{dataset}.{name}"));
        let Some(table) = self.tables.get_mut(&at) else { return missing };
        match method {
            "GET" => HttpResponse::Json(200, table.to_string()),
            "DELETE" => {
                self.tables.remove(&at);
                self.service.staged.remove(&name);
                HttpResponse::Empty(204)
            }
            "PATCH" => {
                if request.header("if-match").is_some_and(|etag| table["etag"] != etag) {
                    return error(412, "conditionNotMet", "Precondition Failed");
                }
                let now = self.clock.now_ms();
                let updates = self.updates.entry(at).or_default();
                updates.retain(|at| *at > now - 10_000);
                if updates.len() >= 5 {
                    let message = "Exceeded rate limits: too many table update operations for this table.";
                    return error(403, "rateLimitExceeded", message);
                }
                updates.push(now);
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                self.etags += 1;
                table["labels"] = body["labels"].clone();
                table["etag"] = json!(self.etags.to_string());
                HttpResponse::Json(200, table.to_string())
            }
            other => panic!("{other} is not a method that the sink uses for a table"),
        }
    }
}

fn warning() -> Value {
    json!({"reason": "invalid", "message": "The rows were read from a table that is being clustered"})
}
fn parameters(list: &Value) -> BTreeMap<String, String> {
    let parameter = |p: &Value| {
        (p["name"].as_str().unwrap().to_owned(), p["parameterValue"]["value"].as_str().unwrap().to_owned())
    };
    list.as_array().into_iter().flatten().map(parameter).collect()
}
