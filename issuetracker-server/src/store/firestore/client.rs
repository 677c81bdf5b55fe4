//! The four calls that the store makes: commit, read by name, query and count. Each has a time limit; reads are tried
//! again, commits never. It knows nothing of issues.

use std::{collections::HashMap, path::PathBuf, time::Duration};

use firestore::{
    FIREBASE_DEFAULT_DATABASE_ID, FirestoreDb, FirestoreDbOptions,
    gcloud_sdk::{
        GCP_DEFAULT_SCOPES, GoogleAuthHeaders, RequestTimeouts,
        google::firestore::v1::{
            BatchGetDocumentsRequest, CommitRequest, Document, DocumentMask, RunAggregationQueryRequest,
            RunQueryRequest, StructuredAggregationQuery, StructuredQuery, Value, Write, WriteResult,
            batch_get_documents_response::Result as Got,
            run_aggregation_query_request, run_query_request,
            structured_aggregation_query::{self, Aggregation, aggregation},
            value::ValueType,
        },
        google_cloud_auth::credentials::anonymous,
        prost_types::Timestamp,
        tonic::{Code, Request, Status, metadata::MetadataValue, transport::Uri},
    },
};
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};

use super::{FirestoreConfig, limits, unavailable};
use crate::store::StoreError;

/// Given explicitly, so that no environment variable sends production's data, or its token, elsewhere.
const API_URL: &str = "https://firestore.googleapis.com";

/// How long one call waits for a connection; the client's own limit is 30 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A commit as a whole, and the wait for each part of an answer to a read.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The waits before a read is tried again: a connection that was idle may be gone at its first use.
const READ_RETRIES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(400)];

/// Where Firestore is, and as whom to speak to it.
enum Target {
    Google { credentials: Option<PathBuf> },
    Emulator,
}

/// A client that connects when it is first needed, and again at the next call if that failed.
pub(super) struct Client {
    options: FirestoreDbOptions,
    target: Target,
    documents_path: String,
    db: OnceCell<FirestoreDb>,
}

/// Why a commit was not done.
pub(super) enum Refused {
    /// A precondition did not hold, or somebody else was writing: read again. Nothing was written.
    Stale(Status),
    /// Anything else; the outcome may be unknown.
    Failed(StoreError),
}

/// What was found at a name.
pub(super) struct Look {
    pub(super) name: String,
    pub(super) document: Option<Document>,
    /// When.
    pub(super) at: Timestamp,
}

impl Client {
    pub(super) fn google(config: FirestoreConfig) -> Result<Self, StoreError> {
        if let Some(file) = &config.credentials {
            std::fs::File::open(file).map_err(|error| unavailable(format!("{}: {error}", file.display())))?;
        }
        let database_id = config.database_id.unwrap_or_else(|| FIREBASE_DEFAULT_DATABASE_ID.to_owned());
        let target = Target::Google { credentials: config.credentials };
        Ok(Self::new(config.project_id, database_id, API_URL.to_owned(), target))
    }

    pub(super) fn emulator(project: &str, address: &str) -> Result<Self, StoreError> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let _: Uri = url.parse().map_err(unavailable)?;
        Ok(Self::new(project.to_owned(), FIREBASE_DEFAULT_DATABASE_ID.to_owned(), url, Target::Emulator))
    }

    fn new(project_id: String, database_id: String, url: String, target: Target) -> Self {
        let documents_path = format!("projects/{project_id}/databases/{database_id}/documents");
        // Our calls carry their own limits and retries; these hold for whatever the crate does by itself.
        let options = FirestoreDbOptions::new(project_id)
            .with_database_id(database_id)
            .with_firebase_api_url(url)
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_retries(READ_RETRIES.len());
        Self { options, target, documents_path, db: OnceCell::new() }
    }

    /// What the name of every document starts with.
    pub(super) fn documents_path(&self) -> &str {
        &self.documents_path
    }

    /// Writes all or nothing, in one request that belongs to no transaction. Tells for each write when its document was
    /// changed last.
    pub(super) async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Option<Timestamp>>, Refused> {
        limits::check(&writes).map_err(Refused::Failed)?;
        self.send(writes).await
    }

    /// As [`commit`](Self::commit), and Firestore itself says whether it is too much.
    pub(super) async fn send(&self, writes: Vec<Write>) -> Result<Vec<Option<Timestamp>>, Refused> {
        Ok(self.results(writes).await?.into_iter().map(|result| result.update_time).collect())
    }

    /// As [`commit`](Self::commit), for writes that transform one field each. Tells what it is now.
    pub(super) async fn transform(&self, writes: Vec<Write>) -> Result<Vec<Option<Value>>, Refused> {
        Ok(self.results(writes).await?.into_iter().map(|result| result.transform_results.into_iter().next()).collect())
    }

    async fn results(&self, writes: Vec<Write>) -> Result<Vec<WriteResult>, Refused> {
        let db = self.db().await.map_err(Refused::Failed)?;
        let request = CommitRequest { database: db.get_database_path().clone(), writes, ..CommitRequest::default() };
        let request = self.request(request, RequestTimeouts::new().with_total(REQUEST_TIMEOUT));
        match db.client().get().commit(request).await {
            Ok(answer) => Ok(answer.into_inner().write_results),
            Err(status) => Err(match status.code() {
                Code::AlreadyExists | Code::FailedPrecondition | Code::NotFound | Code::Aborted => {
                    Refused::Stale(status)
                }
                // The documents themselves: no repetition mends them.
                Code::InvalidArgument => Refused::Failed(StoreError::Refused(status.into())),
                // Also what an operator has to mend (permission, credentials, quota, a database that is not there): an
                // outage, since the same commit succeeds once that is done.
                _ => Refused::Failed(unavailable(status)),
            }),
        }
    }

    /// The documents among `names` that exist, by name, all as of the same moment.
    pub(super) async fn get(
        &self,
        names: Vec<String>,
        only_field: Option<&str>,
    ) -> Result<HashMap<String, Document>, StoreError> {
        let looked = self.look(names, only_field).await?;
        let found = looked.into_iter().filter_map(|look| look.document.map(|document| (look.name, document)));
        Ok(found.collect())
    }

    /// What is at each of `names`, all as of the same moment.
    pub(super) async fn look(&self, names: Vec<String>, only_field: Option<&str>) -> Result<Vec<Look>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let db = self.db().await?;
        let request = BatchGetDocumentsRequest {
            database: db.get_database_path().clone(),
            documents: names,
            mask: only_field.map(|field| DocumentMask { field_paths: vec![field.to_owned()] }),
            ..BatchGetDocumentsRequest::default()
        };
        retried(|| async {
            let mut looked = Vec::new();
            let mut answers = db.client().get().batch_get_documents(self.read(request.clone())).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                let at = answer.read_time.unwrap_or_default();
                looked.extend(answer.result.map(|result| match result {
                    Got::Found(document) => Look { name: document.name.clone(), document: Some(document), at },
                    Got::Missing(name) => Look { name, document: None, at },
                }));
            }
            Ok(looked)
        })
        .await
    }

    /// The documents directly beneath `parent` that the query is for, in its order.
    pub(super) async fn query(&self, parent: &str, query: StructuredQuery) -> Result<Vec<Document>, StoreError> {
        let db = self.db().await?;
        let request = RunQueryRequest {
            parent: parent.to_owned(),
            query_type: Some(run_query_request::QueryType::StructuredQuery(query)),
            ..RunQueryRequest::default()
        };
        retried(|| async {
            let mut documents = Vec::new();
            let mut answers = db.client().get().run_query(self.read(request.clone())).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                documents.extend(answer.document);
            }
            Ok(documents)
        })
        .await
    }

    /// How many documents the query is for; Firestore counts its index and sends one number.
    pub(super) async fn count(&self, parent: &str, query: StructuredQuery) -> Result<u64, StoreError> {
        let db = self.db().await?;
        let count = Aggregation {
            alias: "count".to_owned(),
            operator: Some(aggregation::Operator::Count(aggregation::Count { up_to: None })),
        };
        let request = RunAggregationQueryRequest {
            parent: parent.to_owned(),
            query_type: Some(run_aggregation_query_request::QueryType::StructuredAggregationQuery(
                StructuredAggregationQuery {
                    aggregations: vec![count],
                    query_type: Some(structured_aggregation_query::QueryType::StructuredQuery(query)),
                },
            )),
            ..RunAggregationQueryRequest::default()
        };
        retried(|| async {
            let mut answers = db.client().get().run_aggregation_query(self.read(request.clone())).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                let count = answer.result.and_then(|mut result| result.aggregate_fields.remove("count"));
                if let Some(Value { value_type: Some(ValueType::IntegerValue(count)) }) = count {
                    return Ok(u64::try_from(count).unwrap_or(0));
                }
            }
            Err(Status::internal("a count without a number"))
        })
        .await
    }

    /// The connection, made now if there is none. Firestore may be down at boot: that fails calls, not the server.
    async fn db(&self) -> Result<&FirestoreDb, StoreError> {
        if let Some(db) = self.db.get() {
            return Ok(db);
        }
        let connected = timeout(CONNECT_TIMEOUT, self.db.get_or_try_init(|| self.connect())).await;
        connected.map_err(|_| unavailable("no connection to Firestore in time"))?
    }

    async fn connect(&self) -> Result<FirestoreDb, StoreError> {
        let options = self.options.clone();
        let db = match &self.target {
            Target::Google { credentials: Some(file) } => {
                FirestoreDb::with_options_service_account_key_file(options, file.clone()).await
            }
            Target::Google { credentials: None } => {
                // Not `with_options`: that sends a stub token if FIRESTORE_EMULATOR_HOST happens to be set.
                let auth = GoogleAuthHeaders::from_adc_with_scopes(GCP_DEFAULT_SCOPES.clone()).await;
                FirestoreDb::with_options_auth(options, auth.map_err(unavailable)?).await
            }
            Target::Emulator => FirestoreDb::with_options_auth(options, anonymous::Builder::new().build()).await,
        };
        db.map_err(unavailable)
    }

    fn read<M>(&self, message: M) -> Request<M> {
        self.request(message, RequestTimeouts::new().with_idle(REQUEST_TIMEOUT))
    }

    fn request<M>(&self, message: M, timeouts: RequestTimeouts) -> Request<M> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(timeouts);
        if matches!(self.target, Target::Emulator) {
            // The emulator's convention for a client that its security rules do not bind.
            request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer owner"));
        }
        request
    }
}

async fn retried<T, F: Future<Output = Result<T, Status>>>(call: impl Fn() -> F) -> Result<T, StoreError> {
    let mut waits = READ_RETRIES.into_iter();
    loop {
        let status = match call().await {
            Ok(value) => return Ok(value),
            Err(status) => status,
        };
        // Not what ran out of time or quota: the caller has waited long enough, and more would make it worse.
        let is_passing = matches!(status.code(), Code::Unavailable | Code::Aborted | Code::Cancelled | Code::Unknown);
        let Some(wait) = waits.next().filter(|_| is_passing) else { return Err(unavailable(status)) };
        sleep(wait).await;
    }
}
