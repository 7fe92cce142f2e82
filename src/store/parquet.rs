//! A view as a Parquet file, for pandas, Polars, DuckDB and Spark.
//!
//! A column has the type that its table declares, whatever rows there are, and all columns are optional.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::{ParquetError, Result as Written};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use rusqlite::Connection;
use serde_json::Value;

use super::View;
use crate::error::{Error, Result};

/// The bytes of a file with all rows of `view`.
///
/// # Errors
/// [`Error::Store`] when the database cannot be read.
pub fn encode(view: &View, connection: &Connection) -> Result<Vec<u8>> {
    let kinds = view.declared(connection)?.iter().map(|kind| physical(kind)).collect::<Result<Vec<_>>>()?;
    let rows = view.rows(connection)?;
    write(view, &kinds, &rows).map_err(|e| Error::Internal(format!("Parquet file of {}: {e}", view.name)))
}

fn physical(declared: &str) -> Result<Physical> {
    match declared {
        "INTEGER" => Ok(Physical::INT64),
        "REAL" => Ok(Physical::DOUBLE),
        "TEXT" => Ok(Physical::BYTE_ARRAY),
        other => Err(Error::Internal(format!("a column declared {other:?}"))),
    }
}

fn write(view: &View, kinds: &[Physical], rows: &[Vec<Value>]) -> Written<Vec<u8>> {
    let field = |((name, ..), kind): (&(&str, &str, &str), &Physical)| {
        let text = (*kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let built = Type::primitive_type_builder(name, *kind).with_repetition(Repetition::OPTIONAL);
        built.with_logical_type(text).build().map(Arc::new)
    };
    let fields = view.columns().iter().zip(kinds).map(field).collect::<Written<Vec<_>>>()?;
    let schema = Type::group_type_builder(view.name).with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut out = Vec::new();
    let mut file = SerializedFileWriter::new(&mut out, Arc::new(schema), Arc::new(properties))?;
    if !rows.is_empty() {
        let mut group = file.next_row_group()?;
        for (i, kind) in kinds.iter().enumerate() {
            let cells = rows.iter().map(|row| &row[i]);
            match kind {
                Physical::INT64 => column::<Int64Type>(&mut group, cells, Value::as_i64)?,
                Physical::DOUBLE => column::<DoubleType>(&mut group, cells, Value::as_f64)?,
                _ => column::<ByteArrayType>(&mut group, cells, |v| v.as_str().map(ByteArray::from))?,
            }
        }
        group.close()?;
    }
    file.close()?;
    Ok(out)
}

/// The next column: values that are there, and for each cell whether it is.
fn column<'a, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>,
    cells: impl Iterator<Item = &'a Value>,
    value: impl Fn(&Value) -> Option<T::T>,
) -> Written<()> {
    let (mut values, mut there) = (Vec::new(), Vec::new());
    for cell in cells {
        there.push(i16::from(!cell.is_null()));
        if !cell.is_null() {
            values
                .push(value(cell).ok_or_else(|| ParquetError::General(format!("{cell} in a column of another type")))?);
        }
    }
    let Some(mut writer) = group.next_column()? else {
        return Err(ParquetError::General("fewer columns than expected".into()));
    };
    writer.typed::<T>().write_batch(&values, Some(&there), None)?;
    writer.close()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::store::{self, views::VIEWS};

    #[test]
    fn types_are_declared_and_values_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let connection = store::open(dir.path()).unwrap();
        for view in VIEWS {
            let reader = SerializedFileReader::new(bytes::Bytes::from(encode(view, &connection).unwrap())).unwrap();
            let schema = reader.metadata().file_metadata().schema().get_fields().to_vec();
            assert_eq!(
                schema.iter().map(|f| f.name()).collect::<Vec<_>>(),
                view.columns().iter().map(|c| c.0).collect::<Vec<_>>()
            );
            assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
        }
        let scalars = View::by_name("scalars").unwrap();
        let kinds: Vec<_> = scalars.declared(&connection).unwrap().iter().map(|k| physical(k).unwrap()).collect();
        let row = |seed: i64, value: Option<f64>| {
            let text = ["a-s0-a1", "lj13", "md", "MD"].map(Value::from);
            text.into_iter()
                .chain([seed.into(), 7.into(), "md".into(), "ü".into(), value.into()])
                .collect::<Vec<Value>>()
        };
        let written = write(scalars, &kinds, &[row(3, Some(0.1)), row(i64::MAX, None)]).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(written)).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|r| r.unwrap()).collect();
        let fields: Vec<Field> = rows[0].get_column_iter().map(|(_, f)| f.clone()).collect();
        assert_eq!(fields[4], Field::Long(3));
        assert_eq!(fields[7], Field::Str("ü".into()));
        assert_eq!(fields[8], Field::Double(0.1));
        let last: Vec<Field> = rows[1].get_column_iter().map(|(_, f)| f.clone()).collect();
        assert_eq!((last[4].clone(), last[8].clone()), (Field::Long(i64::MAX), Field::Null));
    }

    #[test]
    fn a_value_of_another_type_is_an_error() {
        let counts = View::by_name("counts").unwrap();
        let kinds =
            [vec![Physical::BYTE_ARRAY; 4], vec![Physical::INT64, Physical::BYTE_ARRAY, Physical::INT64]].concat();
        let row = ["a", "b", "c", "d"].map(Value::from).into_iter().chain(["5".into(), "training".into(), 1.into()]);
        assert!(write(counts, &kinds, &[row.collect()]).is_err());
    }
}
