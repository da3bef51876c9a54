// Before all tests that need the VM: its image is there. Minutes the first time, nothing later.
import { needImage } from './image.js';

export default async function setup(): Promise<void> {
  await needImage();
}
