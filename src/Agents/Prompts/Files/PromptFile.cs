using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>
/// A prompt that was read from a file or folder: inputs, messages, the model's options, what the answer must look like. Immutable; any
/// thread may use it.
/// </summary>
/// <remarks>
/// <para>
/// It reads what people already write: Semantic Kernel's YAML prompts and folders, <c>.prompty</c> files, Agent Framework's
/// <c>kind: Prompt</c>, and <c>SKILL.md</c> folders.
/// </para>
/// <para>
/// Values of inputs stay values: whatever they spell (role lines, tags, template syntax, control tokens), they never change how many
/// messages there are, who speaks, or what the template says.
/// </para>
/// </remarks>
public sealed partial class PromptFile
{
    private readonly PromptBody _body;
    private readonly ChatOptions _options;
    private readonly PromptFileOptions _settings;
    private readonly FewShotExamples? _examples;
    private readonly IReadOnlyDictionary<string, string> _texts;

    internal PromptFile(PromptFileParts parts, PromptFileReading reading)
    {
        _body = parts.Body;
        _options = parts.Options;
        _settings = reading.Options;
        _examples = parts.Examples is { } examples ? new FewShotExamples(examples.All, examples.Selector) : null;
        Path = reading.Path;
        Format = parts.Format;
        Name = parts.Name;
        Description = parts.Description;
        Inputs = parts.Inputs;
        Model = parts.Model;
        OutputSchema = parts.OutputSchema;
        Tools = parts.Tools;
        Examples = parts.Examples?.All ?? [];
        Files = reading.Files.Keys;
        _texts = reading.Files;
        Remarks = reading.Remarks;
    }

    /// <summary>The file or folder.</summary>
    public string Path { get; }

    /// <summary>Its format.</summary>
    public PromptFileFormat Format { get; }

    /// <summary>The prompt's name; the file's own where it gives none.</summary>
    public string Name { get; }

    /// <summary>What the prompt is for, or null.</summary>
    public string? Description { get; }

    /// <summary>The inputs: those that the file declares, then those that its template only uses.</summary>
    public IReadOnlyList<PromptInput> Inputs { get; }

    /// <summary>The model that the file names, or null. A <see cref="ModelCatalog"/> says what the name means.</summary>
    public string? Model { get; }

    /// <summary>The JSON schema of the answer, or null.</summary>
    public JsonElement? OutputSchema { get; }

    /// <summary>The tools that the file names.</summary>
    public IReadOnlyList<PromptTool> Tools { get; }

    /// <summary>All worked examples of the file.</summary>
    public IReadOnlyList<FewShotExample> Examples { get; }

    /// <summary>The files that were read, as full paths.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>What the file says that has no effect here; show it to its author.</summary>
    public IReadOnlyList<string> Remarks { get; }

    /// <summary>Reads a prompt.</summary>
    /// <param name="path">
    /// A <c>.yaml</c>, <c>.yml</c>, <c>.json</c> or <c>.prompty</c> file, a folder with <c>skprompt.txt</c> or <c>SKILL.md</c>, or one of
    /// these two files.
    /// </param>
    /// <param name="options">What the file may use from outside; null for nothing.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="PromptFileException">The file cannot be used; the error says which line and what to do.</exception>
    public static PromptFile Load(string path, PromptFileOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return PromptFileReader.Read(path, options ?? new PromptFileOptions());
    }

    /// <summary>
    /// Reads the value of an input from a text, as a command line has it: <c>3</c> for a number, JSON for lists and objects.
    /// </summary>
    /// <param name="name">The input.</param>
    /// <param name="text">The text.</param>
    /// <returns>The value.</returns>
    /// <exception cref="PromptFileException">There is no such input, or the text spells no value of its type.</exception>
    public JsonElement ParseInput(string name, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var input = Find(name);
        return input.Parse(text) ?? throw Error(PromptFileError.InputType,
            $"the input '{name}' is {PromptInput.Describe(input.Type)}, and '{text}' was given.");
    }

    /// <summary>Puts values into the prompt.</summary>
    /// <param name="inputs">The values by name: texts, numbers, truth values, lists, dictionaries or JSON; null for none.</param>
    /// <param name="cancellationToken">Cancels the choice of examples.</param>
    /// <returns>The messages and the options of a request.</returns>
    /// <exception cref="PromptFileException">A value is missing, unknown or of the wrong type, or the template fails on it.</exception>
    public async Task<RenderedPrompt> RenderAsync(
        IReadOnlyDictionary<string, object?>? inputs = null, CancellationToken cancellationToken = default)
    {
        var messages = await _body.RenderAsync(Values(inputs), cancellationToken).ConfigureAwait(false);
        if (_examples is not null)
        {
            var question = messages.LastOrDefault(message => message.Role == ChatRole.User)?.Text ?? "";
            var shown = await _examples.SelectMessagesAsync(question, cancellationToken).ConfigureAwait(false);
            int at = messages.FindIndex(message => message.Role != ChatRole.System);
            messages.InsertRange(at < 0 ? messages.Count : at, shown);
        }

        if (messages.Count == 0)
            throw Error(PromptFileError.Template, "the template renders no message; give it some text.");
        var options = _options.Clone();
        if (Tools.Count > 0)
            options.Tools = [.. Tools.Select(Resolve)];
        return new RenderedPrompt(messages, options);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Path})";

    private AITool Resolve(PromptTool tool)
        => _settings.Tools.FirstOrDefault(given => given.Name == tool.Name)
            ?? (tool.Parameters is { } parameters
                ? AIFunctionFactory.CreateDeclaration(tool.Name, tool.Description ?? "", parameters)
                : throw Error(PromptFileError.Tool,
                    $"the tool '{tool.Name}' is named, and {(_settings.Tools.Count == 0 ? "no tools were given"
                        : $"only {string.Join(", ", _settings.Tools.Select(given => $"'{given.Name}'"))} were given")}; give it "
                    + "(PromptFileOptions.Tools), or declare its parameters in the file."));

    private Dictionary<string, JsonElement> Values(IReadOnlyDictionary<string, object?>? inputs)
    {
        var values = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (name, value) in inputs ?? new Dictionary<string, object?>())
        {
            var input = Find(name);
            if (value is null or JsonElement { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined })
                continue;
            JsonElement json;
            try
            {
                json = value is JsonElement element ? element : JsonSerializer.SerializeToElement(value, AIJsonUtilities.DefaultOptions);
            }
            catch (Exception exception) when (exception is NotSupportedException or JsonException or InvalidOperationException)
            {
                throw Error(PromptFileError.InputType, $"the value of the input '{name}' cannot be written as JSON: {exception.Message}");
            }

            if (input.Problem(json) is { } problem)
                throw Error(PromptFileError.InputType, problem + ".");
            values[name] = json;
        }

        foreach (var input in Inputs)
            if (!values.ContainsKey(input.Name) && input.Default is { } standard)
                values[input.Name] = standard;
        var missing = Inputs.Where(input => input.IsRequired && !values.ContainsKey(input.Name)).Select(input => $"'{input.Name}'")
            .ToList();
        return missing.Count == 0 ? values : throw Error(PromptFileError.MissingInput,
            $"no value is given for the required input{(missing.Count == 1 ? "" : "s")} {string.Join(", ", missing)}; give "
            + $"{(missing.Count == 1 ? "it" : "them")} (--input NAME=VALUE), or declare a default.");
    }

    private PromptInput Find(string name) => Inputs.FirstOrDefault(input => input.Name == name) ?? throw Error(PromptFileError.UnknownInput,
        $"the prompt has no input '{name}'; it has {(Inputs.Count == 0 ? "none" : string.Join(", ", Inputs.Select(i => $"'{i.Name}'")))}.");

    private PromptFileException Error(PromptFileError error, string problem) => new(error, Path, null, problem);
}

/// <summary>A prompt with its values: what a chat client is asked.</summary>
/// <param name="Messages">The messages.</param>
/// <param name="Options">The options, the caller's own to change.</param>
public sealed record RenderedPrompt(IReadOnlyList<ChatMessage> Messages, ChatOptions Options)
{
    /// <summary>The request as one line of JSON: <c>messages</c> and <c>options</c>.</summary>
    /// <returns>An object without line ends.</returns>
    public string ToJson() => PromptJson.Line(json =>
    {
        PromptJson.WriteMessages(json, Messages);
        PromptJson.WriteOptions(json, Options);
    });
}

/// <summary>What the reader of a format found.</summary>
internal sealed record PromptFileParts(PromptFileFormat Format, string Name, PromptBody Body)
{
    public string? Description { get; init; }

    public IReadOnlyList<PromptInput> Inputs { get; init; } = [];

    public string? Model { get; init; }

    public ChatOptions Options { get; init; } = new();

    public JsonElement? OutputSchema { get; init; }

    public IReadOnlyList<PromptTool> Tools { get; init; } = [];

    public PromptExamples? Examples { get; init; }
}

/// <summary>The worked examples of a file, and the way to choose among them.</summary>
internal sealed record PromptExamples(IReadOnlyList<FewShotExample> All, IExampleSelector? Selector);
