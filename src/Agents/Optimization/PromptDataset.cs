using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation;

namespace Kotonoha.Agents.Optimization;

/// <summary>One example to measure a prompt by: values of its inputs, and the answer that is right.</summary>
/// <param name="Inputs">The values by name.</param>
/// <param name="Expected">The right answer: a text, or any other JSON.</param>
public sealed record PromptExample(IReadOnlyDictionary<string, JsonElement> Inputs, JsonElement Expected)
{
    /// <summary>The right answer as a model would write it.</summary>
    public string ExpectedText => Expected.ValueKind == JsonValueKind.String ? Expected.GetString()! : Expected.GetRawText();

    internal Dictionary<string, object?> Values => Inputs.ToDictionary(input => input.Key, input => (object?)input.Value);
}

/// <summary>Examples to measure prompts by.</summary>
public static class PromptDataset
{
    internal const string ExpectedName = "expected";

    /// <summary>
    /// Reads a file with one JSON object a line: the right answer as <c>expected</c>, and every other member the value of an input, as
    /// <c>kotonoha run --inputs</c> takes them. Empty lines are passed over.
    /// </summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <param name="prompts">The prompts that will be run; every line must fit each of them.</param>
    /// <returns>The examples in the order of the file; at least one.</returns>
    /// <exception cref="PromptDatasetException">A line is not such an object, or does not fit a prompt; the message names it.</exception>
    public static async Task<IReadOnlyList<PromptExample>> LoadAsync(string path, params IReadOnlyList<PromptFile> prompts)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(prompts);
        string text;
        try
        {
            text = await File.ReadAllTextAsync(path).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new PromptDatasetException(path, null, exception is FileNotFoundException or DirectoryNotFoundException
                ? "there is no such file; check the path." : $"the file cannot be read: {exception.Message}", exception);
        }

        return await ReadAsync(path, text, needsExpected: true, prompts).ConfigureAwait(false);
    }

    /// <summary>Reads a text as <see cref="LoadAsync"/> reads a file.</summary>
    /// <param name="path">What the text is named by in errors.</param>
    /// <param name="text">The lines.</param>
    /// <param name="needsExpected">
    /// Whether every line must hold a right answer; one that holds none is an example with <c>null</c> as the right answer otherwise.
    /// </param>
    /// <param name="prompts">The prompts that will be run; every line must fit each of them.</param>
    /// <returns>The examples in the order of the text; at least one.</returns>
    /// <exception cref="PromptDatasetException">A line is not such an object, or does not fit a prompt; the message names it.</exception>
    public static async Task<IReadOnlyList<PromptExample>> ReadAsync(
        string path, string text, bool needsExpected, params IReadOnlyList<PromptFile> prompts)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(prompts);
        if (prompts.FirstOrDefault(prompt => prompt.Inputs.Any(input => input.Name == ExpectedName)) is { } clash)
            throw new PromptDatasetException(path, null,
                $"the prompt {clash.Path} has an input '{ExpectedName}', which names the right answer here; rename the input.");
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        var examples = new List<PromptExample>();
        for (int i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i]))
                continue;
            var example = Read(path, i + 1, lines[i], needsExpected);
            foreach (var prompt in prompts)
                try
                {
                    await prompt.RenderAsync(example.Values).ConfigureAwait(false);
                }
                catch (PromptFileException exception)
                {
                    throw new PromptDatasetException(path, i + 1, $"the example does not fit the prompt: {exception.Message}", exception);
                }

            examples.Add(example);
        }

        return examples.Count > 0 ? examples
            : throw new PromptDatasetException(path, null, "the file holds no examples; write one JSON object a line.");
    }

    private static PromptExample Read(string path, int line, string text, bool needsExpected)
    {
        try
        {
            using var json = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new PromptDatasetException(path, line,
                    $"an object with '{ExpectedName}' and the values of the inputs is expected, not {json.RootElement.ValueKind}.");
            var values = json.RootElement.EnumerateObject().ToDictionary(member => member.Name, member => member.Value.Clone());
            return values.Remove(ExpectedName, out var expected) && expected.ValueKind != JsonValueKind.Null
                ? new PromptExample(values, expected)
                : !needsExpected ? new PromptExample(values, JsonElement.Parse("null"))
                : throw new PromptDatasetException(path, line, $"the example has no '{ExpectedName}'; write the right answer.");
        }
        catch (JsonException exception)
        {
            throw new PromptDatasetException(path, line, $"this is not JSON: {exception.Message}", exception);
        }
    }
}

/// <summary>A file of examples cannot be used; the message names the file, the line and what to do.</summary>
public sealed class PromptDatasetException : KotonohaException
{
    internal PromptDatasetException(string path, int? line, string problem, Exception? innerException = null)
        : base(line is { } number ? FormattableString.Invariant($"{path}, line {number}: {problem}") : $"{path}: {problem}", innerException)
        => Line = line;

    /// <summary>The line, from 1, where it is known.</summary>
    public int? Line { get; }
}
