// The only file that knows CLI11: it compiles for seconds, so it holds flags and nothing else.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "cli/options.h"
#include "server/spelling.h"
#include "server/version.h"

namespace akidb {
namespace {

void AddClientFlags(CLI::App* app, ClientOptions* client) {
  app->add_option("--server", client->server, "URL of the server")->envname("AKIDB_SERVER")->capture_default_str();
  app->add_option("--timeout", client->timeout_s, "seconds to wait for one answer")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app->add_option("--retry-for", client->retry_for_s, "seconds during which a busy or absent server is tried again")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
}

// A flag that stands for a configuration key.
void AddKeyFlag(CLI::App* app, ConfigOptions* config, const std::string& flag, const std::string& key,
                const std::string& help) {
  app->add_option_function<std::string>(
      flag, [config, key](const std::string& value) { config->flags.emplace_back(key, value); },
      help + " (" + key + ")");
}

void AddConfigFlags(CLI::App* app, ConfigOptions* config) {
  app->add_option("--config", config->file, "YAML file")->envname("AKIDB_CONFIG");
  AddKeyFlag(app, config, "--data-dir", "storage.data_dir", "directory of the log and, by default, of the store");
  AddKeyFlag(app, config, "--store", "storage.store", "file:DIR or s3://BUCKET/PREFIX");
  AddKeyFlag(app, config, "--listen", "server.listen", "HOST:PORT, loopback only");
  AddKeyFlag(app, config, "--advertise", "server.advertise", "http://HOST:PORT where other nodes reach this one");
  AddKeyFlag(app, config, "--ready-file", "server.ready_file", "file that is written when the server is ready");
  AddKeyFlag(app, config, "--log-level", "server.log_level", "debug, info, warn or error");
  app->add_option_function<std::vector<std::string>>(
         "--set",
         [config](const std::vector<std::string>& pairs) {
           for (const std::string& pair : pairs) {
             const size_t equals = pair.find('=');
             if (equals == std::string::npos) throw CLI::ValidationError("--set", "expected KEY=VALUE, got " + pair);
             config->flags.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
           }
         },
         "any configuration key: KEY=VALUE; may be repeated")
      ->allow_extra_args(false);
}

class Parser {
 public:
  Parser() {
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_flag("--json", json_, "print JSON for machines");
    app_.set_version_flag("--version", "akidb " + std::string(Version()), "print the version");
    AddServe();
    AddIngest();
    AddSearch();
    AddCollection();
    AddAlias();
    AddSnapshot();
    AddInspect();
    AddStoreCheck();
    AddBench();
    AddConfig();
    AddDoctorAndVersion();
  }

  std::variant<CommandLine, ParseEnd> Parse(int argc, const char* const* argv) {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      std::ostringstream out;
      std::ostringstream error;
      if (app_.exit(e, out, error) == 0) return ParseEnd{0, out.str(), OutputFormat::kHuman, {}};
      // The flag itself is read only on a line without mistakes.
      const bool json =
          std::any_of(argv, argv + argc, [](const char* word) { return word == std::string_view("--json"); });
      return ParseEnd{2, Mistake(e), json ? OutputFormat::kJson : OutputFormat::kHuman, PathOf(Reached())};
    }
    return CommandLine{json_ ? OutputFormat::kJson : OutputFormat::kHuman, std::move(command_)};
  }

 private:
  // The innermost command that was named: what a mistake is about.
  const CLI::App* Reached() const {
    const CLI::App* app = &app_;
    while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
    return app;
  }
  static std::string PathOf(const CLI::App* app) {
    return app->get_parent() == nullptr ? app->get_name() : PathOf(app->get_parent()) + " " + app->get_name();
  }
  static void AddFlagsOf(const CLI::App* app, std::vector<std::string>* flags) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) flags->push_back("--" + name);
    }
    for (const CLI::App* group : app->get_subcommands([](const CLI::App* sub) { return sub->get_name().empty(); })) {
      AddFlagsOf(group, flags);
    }
  }

  // Where CLI11 does not say what was wrong, this does.
  std::string Mistake(const CLI::ParseError& error) const {
    const CLI::App* app = Reached();
    const std::vector<std::string> unread = app_.remaining(true);
    const auto is_flag = [](const std::string& word) { return word.starts_with('-'); };
    if (app->get_require_subcommand_min() > 0 && (unread.empty() || !is_flag(unread.front()))) {
      std::vector<std::string> names;
      for (const CLI::App* sub : app->get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
      const std::string known = "; it has " + CLI::detail::join(names, ", ");
      if (unread.empty()) return PathOf(app) + " needs a command" + known;
      const std::string meant = DidYouMean(unread.front(), names);
      return PathOf(app) + " has no command '" + unread.front() + "'" + (meant.empty() ? known : meant);
    }
    const auto flag = std::ranges::find_if(unread, is_flag);
    if (flag != unread.end()) {
      std::vector<std::string> flags;
      for (const CLI::App* at = app; at != nullptr; at = at->get_parent()) AddFlagsOf(at, &flags);
      return PathOf(app) + " has no flag " + *flag + DidYouMean(*flag, flags);
    }
    return error.what();
  }

  // The command of `app`, with its options, once it was named.
  template <class Options>
  std::shared_ptr<Options> Choose(CLI::App* app) {
    auto options = std::make_shared<Options>();
    app->callback([this, options] { command_ = *options; });
    return options;
  }
  template <class Options, class Action>
  void AddAction(CLI::App* app, std::shared_ptr<Options> options, Action action) {
    app->callback([this, options, action] {
      options->action = action;
      command_ = *options;
    });
  }

  void AddServe() {
    CLI::App* app = app_.add_subcommand("serve", "run the server");
    auto options = Choose<ServeOptions>(app);
    AddConfigFlags(app, &options->config);
  }

  void AddIngest() {
    CLI::App* app = app_.add_subcommand("ingest", "load a Parquet, JSONL or CSV file into a collection");
    auto o = Choose<IngestOptions>(app);
    AddClientFlags(app, &o->client);
    app->add_option("file", o->file, "the file")->required();
    app->add_option("--collection,-c", o->collection, "the collection");
    app->add_option("--format", o->format, "auto, jsonl, csv or parquet")
        ->check(CLI::IsMember({"auto", "jsonl", "csv", "parquet"}))
        ->capture_default_str();
    app->add_option("--id-column", o->mapping.id_column, "column of the id")->capture_default_str();
    app->add_option("--vector-column", o->mapping.vector_column, "column of the vector")->capture_default_str();
    app->add_option("--payload-columns", o->mapping.payload_columns, "columns of the payload (default: all others)")
        ->delimiter(',');
    app->add_option("--exclude", o->mapping.exclude, "columns to leave out")->delimiter(',');
    app->add_option("--string-columns", o->mapping.string_columns, "CSV columns that are text whatever they look like")
        ->delimiter(',');
    app->add_option("--delimiter", o->delimiter, "CSV delimiter; \\t is a tab")->capture_default_str();
    app->add_option("--connections", o->connections, "parallel connections")
        ->check(CLI::Range(1, 64))
        ->capture_default_str();
    app->add_option("--batch-rows", o->batch_rows, "rows of one request")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    app->add_option("--ack", o->ack, "local, object or committed")
        ->check(CLI::IsMember({"local", "object", "committed"}));
    app->add_flag("--create", o->create, "create the collection if it is not there");
    app->add_option("--distance", o->distance, "with --create")
        ->check(CLI::IsMember({"Cosine", "Euclidean", "DotProduct"}))
        ->capture_default_str();
    app->add_option("--vector-type", o->vector_type, "with --create")
        ->check(CLI::IsMember({"f32", "f16", "int8"}))
        ->capture_default_str();
    app->add_flag("--dry-run", o->dry_run, "read and check every row, send nothing");
    app->add_flag("--schema", o->schema_only, "show the columns and how they are mapped, then end");
    app->add_flag("--resume", o->resume, "go on after the last acknowledged row of an interrupted run");
    app->add_option("--state", o->state_file, "file that remembers how far it is (default: FILE.akidb-ingest.json)");
    app->add_option("--errors", o->errors_file, "JSONL file for refused rows");
    app->add_option("--errors-max", o->errors_max, "refused rows after which it stops")->capture_default_str();
  }

  void AddSearch() {
    CLI::App* app = app_.add_subcommand("search", "find the nearest vectors");
    auto o = Choose<SearchOptions>(app);
    AddClientFlags(app, &o->client);
    app->add_option("collection", o->collection, "the collection")->required();
    auto* query = app->add_option_group("query", "what to look for");
    query->add_option("--vector", o->vector,
                      "numbers, as JSON list or separated by commas or spaces; @FILE reads them");
    query->add_option("--like", o->like, "id of a stored vector");
    query->require_option(1);
    app->add_option("--top-k,-k", o->top_k, "results")->capture_default_str();
    app->add_option("--offset", o->offset, "results to pass over")->capture_default_str();
    app->add_option("--filter", o->filter, "filter as JSON; @FILE reads it");
    app->add_option("--at", o->at, "state of the past: a snapshot's name, version:N or time:RFC3339");
    app->add_option("--score-threshold", o->score_threshold, "worst score that counts");
    app->add_option("--ef-search", o->ef_search,
                    "breadth of an approximate search; without effect while every search is exact");
    app->add_flag("--exact", o->exact, "scan everything");
    app->add_flag("--with-vector", o->with_vector, "return vectors");
    app->add_flag("--no-payload", o->no_payload, "leave payloads out");
  }

  void AddCollection() {
    CLI::App* app =
        app_.add_subcommand("collection", "create, list, describe, delete, alter, clone and rebind collections");
    app->require_subcommand(1);
    auto o = std::make_shared<CollectionOptions>();
    using Action = CollectionOptions::Action;
    const auto add = [&](const char* name, const char* help, Action action) {
      CLI::App* sub = app->add_subcommand(name, help);
      AddClientFlags(sub, &o->client);
      AddAction(sub, o, action);
      if (action != Action::kList) sub->add_option("name", o->name, "the collection")->required();
      return sub;
    };
    const auto add_settings = [&](CLI::App* sub) {
      sub->add_option("--ack", o->ack, "local, object or committed")
          ->check(CLI::IsMember({"local", "object", "committed"}));
      sub->add_option("--index", o->index_kind, "auto, flat or hnsw")->check(CLI::IsMember({"auto", "flat", "hnsw"}));
      sub->add_option("--m", o->index_m, "neighbours of a node in the graph");
      sub->add_option("--ef-construction", o->ef_construction, "breadth while building");
      sub->add_option("--recall", o->recall, "recall to aim at")->check(CLI::Range(0.0, 1.0));
    };
    CLI::App* create = add("create", "create a collection", Action::kCreate);
    create->add_option("--dim", o->dim, "elements of a vector")->required();
    create->add_option("--distance", o->distance, "measure")
        ->check(CLI::IsMember({"Cosine", "Euclidean", "DotProduct"}))
        ->capture_default_str();
    create->add_option("--vector-type", o->vector_type, "how elements are stored")
        ->check(CLI::IsMember({"f32", "f16", "int8"}));
    add_settings(create);
    add("list", "list collections", Action::kList);
    add("describe", "show counts, sizes and settings", Action::kDescribe);
    add("delete", "drop a collection and its data", Action::kDelete)->add_flag("--yes,-y", o->yes, "do not ask");
    add_settings(add("alter", "change settings", Action::kAlter));
    CLI::App* clone = add("clone", "make a collection of another's rows, without copying them", Action::kClone);
    clone->add_option("clone", o->clone_name, "name of the new collection")->required();
    clone->add_option("--at", o->at, "a snapshot's name, version:N or time:RFC3339 (default: now)");
    CLI::App* rebind = add("rebind", "bind a collection whose home is gone for ever to this node", Action::kRebind);
    rebind->add_flag("--discard-local", o->discard_local, "give up what only the disk of the home before has")
        ->required();
    rebind->add_flag("--yes,-y", o->yes, "do not ask");
  }

  void AddSnapshot() {
    CLI::App* app = app_.add_subcommand("snapshot", "keep states of a collection and go back to them");
    app->require_subcommand(1);
    auto o = std::make_shared<SnapshotOptions>();
    using Action = SnapshotOptions::Action;
    const auto add = [&](const char* name, const char* help, Action action) {
      CLI::App* sub = app->add_subcommand(name, help);
      AddClientFlags(sub, &o->client);
      AddAction(sub, o, action);
      sub->add_option("collection", o->collection, "the collection")->required();
      if (action != Action::kList) sub->add_option("name", o->name, "the snapshot")->required();
      return sub;
    };
    add("create", "keep the state of now", Action::kCreate);
    add("list", "list snapshots", Action::kList);
    add("delete", "give a snapshot up", Action::kDelete);
    add("revert", "make the snapshot's rows the current ones", Action::kRevert)
        ->add_flag("--yes,-y", o->yes, "do not ask");
  }

  void AddAlias() {
    CLI::App* app = app_.add_subcommand("alias", "list, set, delete and switch other names of collections");
    app->require_subcommand(1);
    auto o = std::make_shared<AliasOptions>();
    using Action = AliasOptions::Action;
    const auto add = [&](const char* name, const char* help, Action action) {
      CLI::App* sub = app->add_subcommand(name, help);
      AddClientFlags(sub, &o->client);
      AddAction(sub, o, action);
      if (action != Action::kList) sub->add_option("alias", o->alias, "the alias")->required();
      if (action == Action::kSwitch) sub->add_option("from", o->from, "where it points now")->required();
      if (action == Action::kSet || action == Action::kSwitch) {
        sub->add_option("collection", o->collection, "where it shall point")->required();
      }
    };
    add("list", "list aliases", Action::kList);
    add("set", "create an alias or point it elsewhere", Action::kSet);
    add("delete", "delete an alias, not its collection", Action::kDelete);
    add("switch", "point an alias elsewhere if it still points to FROM", Action::kSwitch);
  }

  void AddInspect() {
    CLI::App* wal = app_.add_subcommand("wal", "look at the write-ahead log");
    wal->require_subcommand(1);
    CLI::App* wal_inspect = wal->add_subcommand("inspect", "list files, groups and records of a log");
    wal_inspect
        ->add_option("path", Choose<WalInspectOptions>(wal_inspect)->path,
                     "directory of the log, or the data directory")
        ->required();
    CLI::App* segment = app_.add_subcommand("segment", "look at segments");
    segment->require_subcommand(1);
    CLI::App* segment_inspect =
        segment->add_subcommand("inspect", "show sections, statistics and checksums of a segment file");
    segment_inspect->add_option("path", Choose<SegmentInspectOptions>(segment_inspect)->path, "a .seg file")
        ->required();
  }

  void AddStoreCheck() {
    CLI::App* store = app_.add_subcommand("store", "look at the object store");
    store->require_subcommand(1);
    CLI::App* check = store->add_subcommand("check", "try what AkiDB needs of a store, in a scratch prefix");
    auto o = Choose<StoreCheckOptions>(check);
    check->add_option("url", o->url, "file:DIR or s3://BUCKET/PREFIX (default: the store of the configuration)");
    AddConfigFlags(check, &o->config);
    CLI::Option* create =
        check->add_flag("--create-bucket", o->create_bucket, "create a bucket that is missing, with versioning");
    check->add_flag("--lock", o->lock, "with --create-bucket: with Object Lock; refuse a bucket that has none")
        ->needs(create);
    check->add_option("--racers", o->racers, "threads that race for one key")
        ->check(CLI::Range(2, 64))
        ->capture_default_str();
    check->add_option("--rounds", o->rounds, "races")->check(CLI::Range(1, 10000))->capture_default_str();
  }

  void AddBench() {
    CLI::App* app = app_.add_subcommand("bench", "measure a running server, or the index alone");
    app->require_subcommand(1);
    auto o = std::make_shared<BenchOptions>();
    const auto add = [&](const char* name, const char* help, BenchOptions::Action action) {
      CLI::App* sub = app->add_subcommand(name, help);
      AddClientFlags(sub, &o->client);
      AddAction(sub, o, action);
      sub->add_option("--collection,-c", o->collection, "the collection");
      sub->add_option("--connections", o->connections, "parallel connections")
          ->check(CLI::Range(1, 1024))
          ->capture_default_str();
      sub->add_option("--requests,-n", o->requests, "requests in all")
          ->check(CLI::Range(1, 1000000000))
          ->capture_default_str();
      sub->add_option(
             "--rate", o->rate,
             "requests a second over all connections, sent when they are due (default: when the last was answered)")
          ->check(CLI::Range(0.001, 10000000.0));
      sub->add_option("--seed", o->seed, "of the generated vectors")->capture_default_str();
      return sub;
    };
    CLI::App* upsert = add("upsert", "write generated vectors", BenchOptions::Action::kUpsert);
    upsert->add_option("--dim", o->dim, "elements of a vector")->check(CLI::Range(1, 16384))->capture_default_str();
    upsert->add_option("--batch-rows", o->batch_rows, "rows of one request")
        ->check(CLI::Range(1, 10000))
        ->capture_default_str();
    upsert->add_option("--payload-bytes", o->payload_bytes, "text in each payload")
        ->check(CLI::Range(0, 200000))
        ->capture_default_str();
    upsert->add_option("--body", o->body, "columns or json")
        ->check(CLI::IsMember({"columns", "json"}))
        ->capture_default_str();
    CLI::App* search = add("search", "search for generated vectors, or those of a file", BenchOptions::Action::kSearch);
    search->get_option("--collection")->required();
    search->add_option("--queries", o->queries, "a .npy file of query vectors, <f2 or <f4, taken in turns");
    search->add_option("--top-k,-k", o->top_k, "results")->capture_default_str();
    search->add_option("--filter", o->filter, "JSON, or @FILE");
    CLI::Option* beam = search->add_option("--ef-search", o->ef_search, "rows kept in view");
    search->add_option("--recall", o->recall, "recall to aim at")->check(CLI::Range(0.01, 1.0))->excludes(beam);
    search->add_flag("--no-payload", o->no_payload, "ids and scores only");
    AddAnnBench(app);
  }

  void AddAnnBench(CLI::App* bench) {
    CLI::App* app = bench->add_subcommand("ann", "build the index over vectors of a .npy file and sweep it");
    auto o = Choose<AnnBenchOptions>(app);
    app->add_option("--base", o->base, "the vectors, <f2 or <f4, one a row")->required();
    CLI::Option* queries = app->add_option("--queries", o->queries, "the queries, likewise");
    app->add_option("--truth", o->truth, "row numbers of the true nearest (default: found by exact search)");
    app->add_option("--seen", o->seen, "queries to measure with before, as a server does with some that it answered");
    app->add_option("--mask", o->mask, "one byte a row; rows with 0 are filtered out");
    app->add_option("--metric", o->metric, "cosine, l2 or dot")
        ->check(CLI::IsMember({"cosine", "l2", "dot"}))
        ->capture_default_str();
    app->add_option("--vector-type", o->vector_type, "how rows are stored: f32, f16 or int8")
        ->check(CLI::IsMember({"f32", "f16", "int8"}))
        ->capture_default_str();
    app->add_option("--index", o->index_kind, "hnsw, or flat: no index")
        ->check(CLI::IsMember({"hnsw", "flat"}))
        ->capture_default_str();
    app->add_option("--layout", o->layout, "of the graph; auto: the fastest within --max-bytes-per-vector")
        ->check(CLI::IsMember({"auto", "fast", "compact"}))
        ->capture_default_str();
    app->add_option("--index-file", o->index_file, "keep the built graph there, and open it if it is there");
    app->add_option("-k,--k", o->k, "results a query")->check(CLI::Range(1, 10000))->capture_default_str();
    app->add_option("--threads", o->threads, "that search")->check(CLI::Range(1, 256))->capture_default_str();
    app->add_option("--build-threads", o->build_threads, "that build (default: one a CPU)")->check(CLI::Range(1, 256));
    app->add_option("--ef-construction", o->ef_construction, "rows looked at when a row finds its neighbours")
        ->check(CLI::Range(32, 4096))
        ->capture_default_str();
    app->add_option("--seed", o->seed, "of the build")->capture_default_str();
    app->add_option("--max-bytes-per-vector", o->max_bytes_per_vector,
                    "take a layout that fits, and answer from codes alone where rows would not");
    app->add_option("--recall", o->recalls, "recalls to ask for, instead of a sweep: 0.9,0.95,0.99")
        ->delimiter(',')
        ->check(CLI::Range(0.01, 1.0));
    app->add_option("--ef-search", o->beams, "beams to try (default: 10 to 3000 until recall is 0.9995)")
        ->delimiter(',')
        ->check(CLI::Range(1, 1000000));
    app->add_flag("--from-codes", o->from_codes, "answer from the index alone, without reading rows");
    CLI::Option* churn =
        app->add_option(
               "--churn", o->churn_rounds,
               "of the index of growing rows: replace a tenth of the rows so many times, and show what is lost")
            ->check(CLI::Range(1, 1000))
            ->needs(queries);
    app->add_option(
           "--merge", o->merged_segments,
           "deal the rows to so many segments, merge their graphs, eight at once, and compare with a build anew")
        ->check(CLI::Range(2, 256))
        ->needs(queries)
        ->excludes(churn);
    app->add_flag("--orders", o->orders,
                  "answer lines \"QUERIES.npy EF|RECALL RESULTS [MASK.npy]\" from stdin; for other programs")
        ->excludes(queries);
  }

  void AddConfig() {
    CLI::App* app = app_.add_subcommand("config", "check and print the configuration");
    app->require_subcommand(1);
    auto o = std::make_shared<ConfigCommandOptions>();
    const auto add = [&](const char* name, const char* help, ConfigCommandOptions::Action action) {
      CLI::App* sub = app->add_subcommand(name, help);
      AddConfigFlags(sub, &o->config);
      AddAction(sub, o, action);
      return sub;
    };
    add("check", "say whether the server would start with it", ConfigCommandOptions::Action::kCheck);
    add("print", "print every key, its value and where it came from", ConfigCommandOptions::Action::kPrint)
        ->add_flag("--redact", o->redact, "hide paths and names as well as secrets");
    add("keys", "print every key with its default and meaning", ConfigCommandOptions::Action::kKeys);
  }

  void AddDoctorAndVersion() {
    CLI::App* doctor = app_.add_subcommand("doctor", "look for what would make the server slow or fail here");
    AddConfigFlags(doctor, &Choose<DoctorOptions>(doctor)->config);
    CLI::App* version = app_.add_subcommand("version", "print the version");
    version->add_flag("--kernels", Choose<VersionOptions>(version)->kernels, "list the SIMD kernels");
  }

  CLI::App app_{"AkiDB: a vector database whose truth is a bucket", "akidb"};
  bool json_ = false;
  Command command_;
};

}  // namespace

std::variant<CommandLine, ParseEnd> ParseCommandLine(int argc, const char* const* argv) {
  return Parser().Parse(argc, argv);
}

}  // namespace akidb
