"use strict";

const { Client } = require("./client.js");
const { ApiError, QuiviveError } = require("./error.js");
const { Classifier, DetectionGuard, RuleSet, Verifier, operations } = require("./native.js");

module.exports = { ...operations, ApiError, Classifier, Client, DetectionGuard, QuiviveError, RuleSet, Verifier };
