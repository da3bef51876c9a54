// What fails on the way to the store, told apart from what a host does wrong: it is no fault of the host, whose capture goes on.

/** The store failed, or another controller runs the job now; `cause` says which. No FailureError: it is no failure of a host run. */
export class StoreFailed extends Error {
  constructor(cause: unknown) {
    super('the store failed', { cause });
  }
}

/** @throws StoreFailed */
export async function ofStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new StoreFailed(error);
  }
}
