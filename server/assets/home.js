import { offerClassification } from "./classify.js";
import { offerCopies } from "./copy.js";
import { offerProof } from "./proof.js";
import { watchVisit } from "./visit.js";

watchVisit();
offerCopies();
offerProof();
offerClassification();
