import { follow } from "./follow.js"

follow(new URLSearchParams(location.search).get("name"), {})
