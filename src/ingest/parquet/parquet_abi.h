/* The C interface of libakidb_parquet.so, so that the core binary needs neither Arrow nor its ABI.
 *
 * Threads: one reader, one thread.
 * Errors:  functions return 0, or -1 with a message in `error` (always terminated).
 * Memory:  what a function hands out belongs to the reader and lives until its next call. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AKIDB_PARQUET_ABI_VERSION 1u
#define AKIDB_PARQUET_ENTRY "akidb_parquet_api"

typedef struct AkidbParquetReader AkidbParquetReader;

typedef struct {
  char* text;
  size_t size;
} AkidbParquetError;

enum { AKIDB_PARQUET_SKIP = 0, AKIDB_PARQUET_ID = 1, AKIDB_PARQUET_VECTOR = 2, AKIDB_PARQUET_PAYLOAD = 3 };

typedef struct {
  const char* name;
  const char* type;      /* Arrow's words: "list<item: float>" */
  uint8_t can_be_id;     /* string or integer */
  uint8_t can_be_vector; /* list or fixed-size list of float, double or half float */
  uint8_t can_be_payload;
} AkidbParquetColumn;

typedef struct {
  const AkidbParquetColumn* columns;
  uint32_t column_count;
  uint64_t row_count;
} AkidbParquetSchema;

/* Rows as columns. An id or vector that is null is empty; a null element of a vector is NaN. */
typedef struct {
  uint32_t row_count; /* 0 at the end of the file */
  const char* ids;
  const uint32_t* id_ends;
  const float* vectors;
  const uint64_t* vector_ends; /* in elements */
  const char* payloads;        /* JSON objects */
  const uint32_t* payload_ends;
} AkidbParquetBatch;

typedef struct {
  uint32_t abi_version;
  int (*open)(const char* path, AkidbParquetReader** reader, AkidbParquetSchema* schema, AkidbParquetError* error);
  /* `roles` has one AKIDB_PARQUET_* a column. Sets *dim to the length of the first vector, 0 if the file has none. */
  int (*start)(AkidbParquetReader* reader, const uint8_t* roles, uint32_t* dim, AkidbParquetError* error);
  /* Passes over the next `count` rows; row groups that are skipped whole are not read. */
  int (*skip)(AkidbParquetReader* reader, uint64_t count, AkidbParquetError* error);
  int (*next)(AkidbParquetReader* reader, uint32_t rows_max, AkidbParquetBatch* batch, AkidbParquetError* error);
  void (*close)(AkidbParquetReader* reader);
} AkidbParquetApi;

/* The one exported symbol. */
const AkidbParquetApi* akidb_parquet_api(void);

#ifdef __cplusplus
}
#endif
