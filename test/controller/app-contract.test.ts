// The app in this process, and a server over HTTPS, do the same.
import { appContract } from './app-contract.js';

appContract('in this process', async (served) => served.app);
appContract('of a server', async (served) => served.remote(await served.token('root', 'admin')));
