// shop: a small HTTP service that is upgraded without losing a request. One program, three roles:
//   binder   cold start only: binds the address, starts the primary on that descriptor, leaves once it is ready
//   primary  owns the listening descriptor and the workers, answers signals, never accepts a connection itself
//   worker   accepts on the shared descriptor and serves
import { bindAndStart } from "./binder.mjs";
import { inheritedListener } from "./listener.mjs";
import { runPrimary } from "./primary.mjs";
import { runWorker } from "./worker.mjs";

const descriptor = inheritedListener();
if (process.env.SHOP_ROLE === "worker") runWorker();
else if (descriptor === undefined) bindAndStart();
else runPrimary(descriptor);
