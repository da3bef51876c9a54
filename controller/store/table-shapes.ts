// Which tables a database has, and what their columns are: what a copy of a whole store goes by.
import { type Kysely, sql } from 'kysely';
import { fail } from '../../proto/failure.js';
import type { SqlDatabase } from './sql-database.js';
import type { Tables } from './tables.js';

export interface TableShape {
  readonly name: string;
  /** In the order of their names. */
  readonly columns: readonly string[];
  /** Those that name a row, in the order of the key. */
  readonly key: readonly string[];
}

/** By name; without the table of versions, which each database has of its own. */
export async function tableShapes(
  database: SqlDatabase,
  db: Kysely<Tables> = database.db,
): Promise<readonly TableShape[]> {
  const { rows } = await (database.engine === 'sqlite' ? sqliteColumns : postgresColumns).execute(db);
  const shapes = new Map<string, { columns: string[]; key: [number, string][] }>();
  for (const { table, column, place } of rows) {
    const shape = shapes.get(table) ?? { columns: [], key: [] };
    shapes.set(table, shape);
    shape.columns.push(column);
    if (place > 0) shape.key.push([place, column]);
  }
  return [...shapes]
    .map(([name, { columns, key }]) => ({
      name,
      columns: columns.sort(),
      key: key.sort(([a], [b]) => a - b).map(([, column]) => column),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** @throws FailureError 'conflict' unless both have the same tables with the same columns */
export function checkSameShapes(from: readonly TableShape[], to: readonly TableShape[]): void {
  if (JSON.stringify(from) === JSON.stringify(to)) return;
  throw fail(
    'conflict',
    'the two stores do not have the same tables',
    'they have to be of the same version of perftrawl',
  );
}

interface ColumnRow {
  readonly table: string;
  readonly column: string;
  /** In the key, from 1 on; 0: not in it. */
  readonly place: number;
}

const sqliteColumns = sql<ColumnRow>`
  select t.name as "table", c.name as "column", c.pk as place
  from sqlite_master t join pragma_table_info(t.name) c
  where t.type = 'table' and t.name not like 'sqlite\\_%' escape '\\' and t.name <> 'migrations'`;

const postgresColumns = sql<ColumnRow>`
  select t.relname as "table", a.attname as "column",
    coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1 as place
  from pg_class t
    join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
    left join pg_index i on i.indrelid = t.oid and i.indisprimary
  where t.relkind = 'r' and t.relnamespace = current_schema()::regnamespace and t.relname <> 'migrations'`;
