using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts;

/// <summary>A fixed list of worked examples and the way to choose among them.</summary>
/// <param name="examples">All examples.</param>
/// <param name="selector">Chooses which are shown; null shows all.</param>
public sealed class FewShotExamples(IReadOnlyList<FewShotExample> examples, IExampleSelector? selector = null)
{
    private readonly IReadOnlyList<FewShotExample> _examples = examples ?? throw new ArgumentNullException(nameof(examples));

    /// <summary>Chooses examples for an input and writes them as pairs of a user and an assistant message, ready for a variable of type <see cref="PromptVariableType.Messages"/>.</summary>
    /// <param name="input">The input that the prompt is for.</param>
    /// <param name="cancellationToken">Cancels the choice.</param>
    /// <returns>Two messages an example.</returns>
    public async Task<IReadOnlyList<ChatMessage>> SelectMessagesAsync(string input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var chosen = selector is null ? _examples : await selector.SelectAsync(_examples, input, cancellationToken).ConfigureAwait(false);
        return [.. chosen.SelectMany(example => example.ToMessages())];
    }
}
