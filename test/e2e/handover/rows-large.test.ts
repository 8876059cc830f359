// The rows of the matrix whose versions are large. One alone: --test-name-pattern=workerd
import { testRows } from "./test-rows.ts";

await testRows("large");
