using System.Collections.Frozen;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Lines;

/// <summary>One line of the input: a JSON object whose fields are taken one by one; one that nobody takes is an error.</summary>
internal sealed class LineRequest : IDisposable
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private const string SurrogateEscape = "\\uD";
    private readonly JsonDocument _document;
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    private LineRequest(JsonDocument document) => _document = document;

    /// <summary>Reads a line.</summary>
    /// <exception cref="LineException">It is no UTF-8, or no JSON object.</exception>
    public static LineRequest Parse(ReadOnlyMemory<byte> line)
    {
        string text;
        try
        {
            text = Strict.GetString(line.Span);
        }
        catch (DecoderFallbackException exception)
        {
            throw new LineException($"the line is no UTF-8 (byte {exception.Index})");
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (InvalidOperationException)
        {
            throw new LineException("the line holds half of a surrogate pair in a field's name"); // names are decoded to tell them apart
        }
        catch (JsonException exception)
        {
            throw new LineException($"the line is no JSON: {exception.Message.Split(" LineNumber:")[0]}");
        }

        try
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new LineException("the line must be one JSON object");
            if (text.Contains(SurrogateEscape, StringComparison.OrdinalIgnoreCase))
                RequireWholeCharacters(document.RootElement);
            return new LineRequest(document);
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    /// <summary>Whether a field is there and not null.</summary>
    public bool Has(string name) => _document.RootElement.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>A field's value, or null when it is not there or null.</summary>
    public JsonElement? Take(string name)
    {
        _taken.Add(name);
        return Has(name) ? _document.RootElement.GetProperty(name) : null;
    }

    /// <summary>All fields that are not null.</summary>
    public IReadOnlyDictionary<string, JsonElement> TakeAll()
        => _document.RootElement.EnumerateObject().Select(field => field.Name).Where(Has)
            .ToDictionary(name => name, name => Take(name)!.Value);

    public string? Text(string name) => Take(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(name, "a string");

    public string RequiredText(string name) => Text(name) ?? throw new LineException($"'{name}' is missing");

    public bool? Boolean(string name) => Take(name) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false");

    public int? Integer(string name) => Take(name) is not { } value ? null : IntegerOf(name, value);

    public long? Long(string name) => Take(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : throw Wrong(name, "a whole number");

    public float? Number(string name) => Take(name) is not { } value ? null : NumberOf(name, value);

    /// <summary>A list of token ids.</summary>
    public int[]? Integers(string name) => Take(name) is not { } value ? null : IntegersOf(name, value);

    /// <summary>One string, or a list of them.</summary>
    public string[]? Texts(string name) => Take(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } several =>
            [.. several.EnumerateArray()
                .Select(v => v.ValueKind == JsonValueKind.String ? v.GetString()! : throw Wrong(name, "a string or a list of strings"))],
        _ => throw Wrong(name, "a string or a list of strings"),
    };

    /// <summary>Refuses fields that nobody took.</summary>
    /// <exception cref="LineException">There is one.</exception>
    public void RequireNothingElse()
    {
        foreach (var field in _document.RootElement.EnumerateObject())
            if (!_taken.Contains(field.Name))
                throw new LineException(
                    $"the field '{field.Name}' is not known; known are {string.Join(", ", _taken.Order(StringComparer.Ordinal))}");
    }

    public static int IntegerOf(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : throw Wrong(name, "a whole number");

    public static float NumberOf(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out float number) && float.IsFinite(number)
            ? number
            : throw Wrong(name, "a number");

    public static int[] IntegersOf(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Array
            ? [.. value.EnumerateArray().Select(v => IntegerOf(name, v))]
            : throw Wrong(name, "a list of whole numbers");

    // Escapes are decoded as they are read, so half a pair would show anywhere later.
    private static void RequireWholeCharacters(JsonElement json)
    {
        try
        {
            foreach (var field in json.EnumerateObject())
                RequireWholeCharacters(field.Value, field.Name);
        }
        catch (InvalidOperationException)
        {
            throw new LineException("the line holds half of a surrogate pair in a field's name");
        }
    }

    private static void RequireWholeCharacters(JsonElement value, string name)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                try
                {
                    value.GetString();
                }
                catch (InvalidOperationException)
                {
                    throw new LineException($"'{name}' holds half of a surrogate pair");
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                    RequireWholeCharacters(item, name);
                break;
            case JsonValueKind.Object:
                RequireWholeCharacters(value);
                break;
        }
    }

    public static LineException Wrong(string name, string kind) => new($"'{name}' must be {kind}");

    public void Dispose() => _document.Dispose();
}

/// <summary>Puts the names that the fields of a line have in place of the library's names, which its errors use.</summary>
internal static partial class FieldNames
{
    // The command has no such option; what follows it to the end of the message is more of the same.
    private const string AdviceForPrograms = $", or raise {nameof(LocalGptOptions)}.";

    private static readonly FrozenDictionary<string, string> Fields = new Dictionary<string, string>
    {
        ["tokenIds"] = "ids",
        [nameof(GenerationRequest.TokenIds)] = "ids",
        [nameof(GenerationRequest.Prompt)] = "prompt",
        [nameof(GenerationRequest.Turns)] = "messages",
        [nameof(GenerationRequest.Tools)] = "tools",
        [nameof(GenerationRequest.MaxOutputTokens)] = "max_tokens",
        [nameof(GenerationRequest.StopStrings)] = "stop",
        [nameof(GenerationRequest.EndTokenIds)] = "eos_token_id",
        [nameof(GenerationRequest.IncludeLogProbabilities)] = "logprobs",
        [nameof(SamplingOptions.Temperature)] = "temperature",
        [nameof(SamplingOptions.TopK)] = "top_k",
        [nameof(SamplingOptions.TopP)] = "top_p",
        [nameof(SamplingOptions.MinP)] = "min_p",
        [nameof(SamplingOptions.TypicalP)] = "typical_p",
        [nameof(SamplingOptions.EpsilonCutoff)] = "epsilon_cutoff",
        [nameof(SamplingOptions.EtaCutoff)] = "eta_cutoff",
        [nameof(SamplingOptions.TopH)] = "top_h",
        [nameof(SamplingOptions.TopNSigma)] = "top_n_sigma",
        [nameof(SamplingOptions.XtcThreshold)] = "xtc_threshold",
        [nameof(SamplingOptions.XtcProbability)] = "xtc_probability",
        [nameof(SamplingOptions.MirostatTau)] = "mirostat_tau",
        [nameof(SamplingOptions.MirostatEta)] = "mirostat_eta",
        [nameof(SamplingOptions.MinTokensToKeep)] = "min_tokens_to_keep",
        [nameof(SamplingOptions.RepetitionPenalty)] = "repetition_penalty",
        [nameof(SamplingOptions.PresencePenalty)] = "presence_penalty",
        [nameof(SamplingOptions.FrequencyPenalty)] = "frequency_penalty",
        [nameof(SamplingOptions.DryMultiplier)] = "dry_multiplier",
        [nameof(SamplingOptions.DryBase)] = "dry_base",
        [nameof(SamplingOptions.DryAllowedLength)] = "dry_allowed_length",
        [nameof(SamplingOptions.NoRepeatNgramSize)] = "no_repeat_ngram_size",
        [nameof(SamplingOptions.BadWords)] = "bad_words_ids",
        [nameof(SamplingOptions.LogitBias)] = "logit_bias",
        [nameof(SamplingOptions.SequenceBias)] = "sequence_bias",
        [nameof(SamplingOptions.SuppressTokens)] = "suppress_tokens",
        [nameof(SamplingOptions.BeginSuppressTokens)] = "begin_suppress_tokens",
        [nameof(SamplingOptions.ForcedFirstToken)] = "forced_bos_token_id",
        [nameof(SamplingOptions.ForcedLastTokens)] = "forced_eos_token_id",
        [nameof(SamplingOptions.LengthDecay)] = "exponential_decay_length_penalty",
        [nameof(SamplingOptions.MinLength)] = "min_length",
        [nameof(SamplingOptions.MinNewTokens)] = "min_new_tokens",
        [nameof(BeamSearchOptions.BeamCount)] = "num_beams",
        [nameof(BeamSearchOptions.ReturnCount)] = "num_return_sequences",
        [nameof(BeamSearchOptions.LengthPenalty)] = "length_penalty",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The message with the names of fields; what stands in quotation marks is the user's and stays.</summary>
    public static string In(string message)
        => Word().Replace(
            message.IndexOf(AdviceForPrograms, StringComparison.Ordinal) is >= 0 and var at ? $"{message[..at]}." : message,
            word => Fields.TryGetValue(word.Value, out var field) ? $"'{field}'" : word.Value);

    [GeneratedRegex(@"(?<!['\w])\w+(?!['\w])")]
    private static partial Regex Word();
}

/// <summary>
/// The tokens that a line gives: as ids, or as a text. The text is the user's own, so control tokens spelt in it are control tokens unless
/// the line says otherwise.
/// </summary>
internal static class LineTokens
{
    public static int[]? Take(LineRequest request, string textField, Func<Tokenizer> tokenizer)
    {
        int[]? ids = request.Integers("ids");
        var text = request.Text(textField);
        bool? special = request.Boolean("add_special_tokens"), parse = request.Boolean("parse_special_tokens");
        if (ids is not null && text is not null)
            throw new LineException($"give '{textField}' or 'ids', not both");
        if (text is null && (special ?? parse) is not null)
            throw new LineException($"'add_special_tokens' and 'parse_special_tokens' belong to '{textField}'");
        return text is null ? ids : tokenizer().Encode(text, special ?? true, parse ?? true);
    }
}

/// <summary>The conversation of a line.</summary>
/// <param name="Messages">A list of objects; the chat template decides what they may hold.</param>
/// <param name="Tools">Declarations of functions, or null.</param>
internal sealed record LineMessages(JsonElement Messages, JsonElement? Tools)
{
    /// <summary>Takes <c>messages</c> and <c>tools</c>; null where there are no messages.</summary>
    public static LineMessages? Take(LineRequest request)
    {
        var tools = request.Take("tools");
        if (tools is { ValueKind: not JsonValueKind.Array })
            throw LineRequest.Wrong("tools", "a list of declarations");
        if (request.Take("messages") is not { } messages)
            return tools is null ? null : throw new LineException("'tools' belong to 'messages'");
        if (messages.ValueKind != JsonValueKind.Array || messages.EnumerateArray().Any(m => m.ValueKind != JsonValueKind.Object))
            throw LineRequest.Wrong("messages", "a list of {role, content}");
        return new LineMessages(messages, tools);
    }

    /// <summary>The messages as turns, when each has nothing but a role and a text; else null.</summary>
    public ChatTurn[]? PlainTurns()
    {
        var turns = new List<ChatTurn>();
        foreach (var message in Messages.EnumerateArray())
        {
            string? role = null, content = null;
            foreach (var field in message.EnumerateObject())
                switch (field.Name)
                {
                    case "role" when field.Value.ValueKind == JsonValueKind.String:
                        role = field.Value.GetString();
                        break;
                    case "content" when field.Value.ValueKind == JsonValueKind.String:
                        content = field.Value.GetString();
                        break;
                    default:
                        return null;
                }

            if (role is null || content is null)
                return null;
            turns.Add(new ChatTurn(role, content));
        }

        return [.. turns];
    }

    /// <summary>What a chat template is given.</summary>
    public ChatTemplateInput Input(bool addGenerationPrompt)
        => new() { Messages = Messages, Tools = Tools, AddGenerationPrompt = addGenerationPrompt };
}
