// The store's database cannot be reached at present, or has no room: for a time it is worth while to try again.
import { type Failure, FailureError } from '../../proto/failure.js';

export class StoreAway extends FailureError {
  constructor(failure: Failure, cause: unknown) {
    super(failure, { cause });
  }
}
