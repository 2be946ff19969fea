using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;

namespace Kotonoha.Cli.Commands;

/// <summary>
/// The commands that answer JSON lines with a model: <c>tokenize</c>, <c>detokenize</c>, <c>template</c>, <c>embed</c>, <c>rerank</c>,
/// <c>classify</c>, <c>tag</c>, <c>score</c>, <c>generate</c>.
/// </summary>
internal static class ModelLineCommands
{
    private const string More = " A bad line is answered with {error}, and the exit code is then 1.";

    private const string Settings =
        " Settings: temperature (0 = greedy), top_k, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff, top_h, top_n_sigma, "
            + "xtc_threshold, xtc_probability, mirostat_tau, mirostat_eta,"
        + " min_tokens_to_keep, do_sample, seed, repetition_penalty, presence_penalty, frequency_penalty, dry_multiplier, dry_base, "
        + "dry_allowed_length, dry_sequence_breakers,"
        + " no_repeat_ngram_size, bad_words_ids, logit_bias, sequence_bias, suppress_tokens, begin_suppress_tokens, forced_bos_token_id, "
        + "forced_eos_token_id,"
        + " exponential_decay_length_penalty, renormalize_logits, min_length, min_new_tokens, num_beams, num_return_sequences, "
        + "length_penalty, early_stopping, stop, eos_token_id, ignore_eos, logprobs.";

    public static IEnumerable<Command> Create()
    {
        var adapter = new AdapterOptions();
        var logits = new Option<bool>("--logits") { Description = "Add last_logits: the scores of every token that could come next." };
        var maxTokens =
            new Option<int>("--max-tokens")
            {
                Description = "The most new tokens where a line has no max_tokens.",
                HelpName = "N",
                DefaultValueFactory = _ => LineSampling.DefaultMaxTokens
            };
        maxTokens.Validators.Add(given =>
        {
            if (given.Tokens is [var token]
                && int.TryParse(token.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) && number < 1)
                given.AddError($"--max-tokens {number}: at least 1");
        });
        yield return LineCommand.Create(
            "tokenize",
            "Texts into tokens. {text, pair?, add_special_tokens?, parse_special_tokens?} gives {ids, tokens, offsets} (offsets in "
                + "UTF-16 units)." + More,
            "TEXT", (json, words) => json.WriteString("text", string.Join(' ', words)),
            (_, model) => new TokenizeLines(ModelFiles.Tokenizer(model)));
        yield return LineCommand.Create(
            "detokenize", "Tokens into texts. {ids, skip_special?} gives {text}." + More,
            "ID", (json, words) => json.WriteIntegers("ids", words.Select(WholeNumber)),
            (_, model) => new DetokenizeLines(ModelFiles.Tokenizer(model)));
        yield return LineCommand.Create(
            "template", "Conversations into the text that the model reads. {messages, tools?, add_generation_prompt?} gives {text}." + More,
            "MESSAGE", (json, words) => WriteMessages(json, words), (_, model) => new TemplateLines(ModelFiles.Template(model)));
        yield return LineCommand.Create(
            "embed", "Texts into vectors. {text, prompt_name?} gives {embedding}." + More,
            "TEXT", (json, words) => json.WriteString("text", string.Join(' ', words)),
            (parsed, model) => ModelFiles.Embedder(model, parsed.GetValue(LineCommand.Threads), parsed.GetValue(LineCommand.Exact)),
            LineCommand.Threads, LineCommand.Exact);
        yield return LineCommand.Create(
            "rerank", "How well texts answer queries, by a cross-encoder. {query, text} gives {score}." + More,
            "QUERY TEXT", WriteRerank, (parsed, model) => new RerankLines(ModelFiles.Encoder(model, parsed.GetValue(LineCommand.Threads))),
            LineCommand.Threads, LineCommand.Exact);
        yield return LineCommand.Create(
            "classify", "The classes of texts, by an encoder that was trained for them (train classify). {text, second?} gives {label, "
                + "scores}." + More,
            "TEXT", (json, words) => json.WriteString("text", string.Join(' ', words)),
            (parsed, model) => new ClassifyLines(Trained(parsed, model, encoder => encoder.CanClassify, "classify")),
            LineCommand.Threads, LineCommand.Exact);
        yield return LineCommand.Create(
            "tag", "Names, parts of speech and other labelled spans of texts, by an encoder that was trained for them (train tag). {text} "
                + "gives {spans}, each with start, end (in UTF-16 units), label, text, score." + More,
            "TEXT", (json, words) => json.WriteString("text", string.Join(' ', words)),
            (parsed, model) => new TagLines(Trained(parsed, model, encoder => encoder.CanTag, "tag")),
            LineCommand.Threads, LineCommand.Exact);
        yield return LineCommand.Create(
            "score", "How likely the model finds each token. {text or ids, add_special_tokens?, parse_special_tokens?} gives {ids, "
                + "log_probs} (of each token after the first)." + More,
            "TEXT", (json, words) => json.WriteString("text", string.Join(' ', words)),
            (parsed, model) => new ScoreLines(Open(parsed, model, adapter), parsed.GetValue(logits)),
            [LineCommand.Threads, LineCommand.Exact, .. adapter.All, logits]);
        yield return LineCommand.Create(
            "generate", "Continue texts or answer conversations. {prompt or ids or messages, max_tokens? (256), …} gives {ids (the new "
                + "ones), text, finish_reason, usage}." + Settings + More,
            "PROMPT", (json, words) => json.WriteString("prompt", string.Join(' ', words)),
            (parsed, model) => new GenerateLines(Open(parsed, model, adapter), parsed.GetValue(maxTokens)),
            [LineCommand.Threads, LineCommand.Exact, .. adapter.All, maxTokens]);
    }

    private static LocalModel.Generation.LocalGpt Open(ParseResult parsed, string model, AdapterOptions adapter)
        => ModelFiles.Gpt(model, parsed.GetValue(LineCommand.Threads), parsed.GetValue(LineCommand.Exact), adapter.Read(parsed));

    // An encoder with the head that a command asks.
    private static LocalModel.Generation.LocalEncoder Trained(
        ParseResult parsed, string model, Func<LocalModel.Generation.LocalEncoder, bool> can, string recipe)
    {
        var encoder = ModelFiles.Encoder(model, parsed.GetValue(LineCommand.Threads));
        if (can(encoder))
            return encoder;
        encoder.Dispose();
        throw new UsageException($"'{model}' has no head for this; 'kotonoha train {recipe}' teaches an encoder one");
    }

    private static int WholeNumber(string word) => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
        ? id : throw new UsageException($"detokenize: '{word}' is no token id");

    private static void WriteRerank(Utf8JsonWriter json, string[] words)
    {
        json.WriteString("query", words[0]);
        json.WriteString("text", string.Join(' ', words.Skip(1)));
    }

    // The person and the model take turns.
    private static void WriteMessages(Utf8JsonWriter json, string[] words)
    {
        json.WriteStartArray("messages");
        for (int i = 0; i < words.Length; i++)
        {
            json.WriteStartObject();
            json.WriteString("role", i % 2 == 0 ? "user" : "assistant");
            json.WriteString("content", words[i]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteBoolean("add_generation_prompt", words.Length % 2 == 1);
    }
}
