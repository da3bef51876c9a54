// The store contracts over every engine.
import { sqlControlStore } from '../../../controller/store/sql-control-store.js';
import { sqlIdentityStore } from '../../../controller/store/sql-identity-store.js';
import { sqlJobQueue } from '../../../controller/store/sql-job-queue.js';
import { sqlSampleStore } from '../../../controller/store/sql-sample-store.js';
import { sqlScheduleStore } from '../../../controller/store/sql-schedule-store.js';
import { controlStoreContract } from './control-store-contract.js';
import { decisionStoresContract } from './decision-stores-contract.js';
import { onEveryEngine, temporary } from './every-engine.js';
import { identityStoreContract } from './identity-store-contract.js';
import { jobQueueContract } from './job-queue-contract.js';
import { releaseStoreContract } from './release-store-contract.js';
import { requestKeyContract } from './request-key-contract.js';
import { sampleStoreContract } from './sample-store-contract.js';
import { scheduleStoreContract } from './schedule-store-contract.js';

onEveryEngine((engine, ground) => {
  controlStoreContract(engine, () => temporary(ground, sqlControlStore));
  jobQueueContract(engine, () =>
    temporary(ground, (database) => ({ control: sqlControlStore(database), queue: sqlJobQueue(database) })),
  );
  scheduleStoreContract(engine, async () => {
    const databases = await ground.openTwice();
    return {
      stores: databases.map((database) => ({
        ...{ control: sqlControlStore(database), schedules: sqlScheduleStore(database) },
      })),
      async close() {
        for (const database of new Set(databases)) await database.close();
      },
    };
  });
  sampleStoreContract(engine, () => temporary(ground, sqlSampleStore));
  identityStoreContract(engine, () => temporary(ground, sqlIdentityStore));
  decisionStoresContract(engine, ground.openTwice);
  requestKeyContract(engine, ground.openTwice);
  releaseStoreContract(engine, () => temporary(ground, (database) => database));
});
