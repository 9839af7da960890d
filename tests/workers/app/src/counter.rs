//! A Durable Object that counts, in SQL and in its key-value storage.

use midge::{Failure, Request, Response, Sent};
use midge_workers::{CallError, Object, Value, object_name, set_alarm, sql, storage};

pub(crate) struct Counter;

impl Object for Counter {
    async fn fetch(&self, mut request: Request<'_>, response: Response<'_>) -> Result<Sent, Failure> {
        let mut place = [0; 256];
        match request.path() {
            "/add" => {
                sql("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER)", &[])?;
                let added =
                    "INSERT INTO counters VALUES (?1, 1) ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value";
                let mut rows = sql(added, &["visits".into()])?;
                let value = rows.next(&mut place)?.and_then(|row| row.column(0).integer()).ok_or(Failure::new(500))?;
                response.status(200).header_fmt("x-value", format_args!("{value}")).empty().await
            }
            "/types" => {
                let given =
                    [Value::Null, Value::Integer(-3), Value::Real(0.5), Value::Text("é"), Value::Blob(&[0, 255])];
                let mut rows = sql("SELECT ?1, ?2, ?3, ?4, ?5", &given)?;
                let row = rows.next(&mut place)?.ok_or(Failure::new(500))?;
                let same = row.values().eq(given) && row.values().count() == 5;
                let over = rows.next(&mut [0; 8])?.is_none();
                response.status(if same && over { 200 } else { 500 }).empty().await
            }
            "/wrong" => {
                let results = [
                    matches!(sql("SELEKT", &[]), Err(CallError::Failed)),
                    matches!(sql("SELECT 1", &[Value::Integer(i64::MAX)]), Err(CallError::Invalid)),
                    matches!(sql("SELECT 1", &[Value::Null; 17]), Err(CallError::TooMany)),
                    matches!(
                        sql("SELECT 'a long text'", &[])?.next(&mut [0; 4]),
                        Err(CallError::TooLarge { size: 16 })
                    ),
                    matches!(storage().get("nothing", &mut place), Ok(None)),
                ];
                response.status(if results == [true; 5] { 200 } else { 500 }).empty().await
            }
            "/put" => {
                let value = request.body().all().await?;
                storage().put("value", value)?;
                response.status(204).empty().await
            }
            "/get" => match storage().get("value", &mut place)? {
                Some(value) => response.status(200).body(value).await,
                None => Err(Failure::new(404)),
            },
            "/keys" => {
                let mut body = response.status(200).stream().await?;
                let mut keys = storage().list("")?;
                while let Some(key) = keys.next(&mut place)? {
                    body.write(key).await?;
                    body.write("\n").await?;
                }
                body.finish().await
            }
            "/delete" => {
                let (first, second) = (storage().delete("value")?, storage().delete("value")?);
                response.status(if first && !second { 204 } else { 500 }).empty().await
            }
            "/alarm" => {
                set_alarm(Some(midge_workers::now())).await?;
                response.status(202).empty().await
            }
            "/no-alarm" => {
                set_alarm(None).await?;
                response.status(202).empty().await
            }
            "/alarmed" => match storage().get("alarmed", &mut place)? {
                Some(value) => response.status(200).body(value).await,
                None => Err(Failure::new(404)),
            },
            "/name" => response.status(200).body(object_name(&mut place)?).await,
            "/panic" => panic!("the object panics"),
            _ => Err(Failure::new(404)),
        }
    }

    async fn alarm(&self) -> Result<(), Failure> {
        storage().put("alarmed", b"yes")?;
        Ok(())
    }
}
