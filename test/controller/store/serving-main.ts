// A process that serves a file of SQLite until it is killed: `serving-main FILE`.
import { openSqlite } from '../../../controller/store/sqlite-database.js';

openSqlite(process.argv[2], Date.now(), true);
process.stdout.write('serving\n');
setInterval(() => undefined, 1_000_000);
