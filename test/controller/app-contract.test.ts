// The app in this process, and a server over HTTPS, do the same, whatever database they have.
import { afterAll, beforeAll } from 'vitest';
import { appContract } from './app-contract.js';
import { type PostgresServer, postgresServer } from './store/postgres-server.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await postgresServer();
});
afterAll(() => postgres.close());

const newStore = () => postgres.newStore();
appContract('in this process', async (served) => served.app);
appContract('of a server', async (served) => served.remote(await served.token('root', 'admin')));
appContract('in this process, on PostgreSQL', async (served) => served.app, newStore);
appContract(
  'of a server on PostgreSQL',
  async (served) => served.remote(await served.token('root', 'admin')),
  newStore,
);
