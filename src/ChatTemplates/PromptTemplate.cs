using System.Text.Json;
using Kotonoha.ChatTemplates.Jinja;

namespace Kotonoha.ChatTemplates;

/// <summary>
/// A Jinja text for prompts: rendered in the sandbox of chat templates, with variables of its own instead of a conversation. The result
/// tells what the template wrote from what the values said. Immutable; any thread may use it.
/// </summary>
public sealed class PromptTemplate
{
    private readonly JinjaTemplate _template;

    private PromptTemplate(JinjaTemplate template) => _template = template;

    /// <summary>The names that the template reads and gives no value to itself, in ordinal order.</summary>
    public IReadOnlyList<string> Variables => _template.FreeVariables;

    /// <summary>Reads a template.</summary>
    /// <param name="jinja">The text.</param>
    /// <returns>The template.</returns>
    /// <exception cref="ChatTemplateException">The text is not a template, or is larger or deeper than allowed.</exception>
    public static PromptTemplate Parse(string jinja)
    {
        ArgumentNullException.ThrowIfNull(jinja);
        return new PromptTemplate(new JinjaTemplate(jinja));
    }

    /// <summary>Renders the template.</summary>
    /// <param name="values">
    /// The values of the variables. All their texts count as said in the conversation: <see cref="ChatPrompt.IsFromConversation"/>.
    /// </param>
    /// <param name="now">The local time that the template sees; null for now.</param>
    /// <returns>The text.</returns>
    /// <exception cref="ChatTemplateException">The template fails on the values or exceeds its limits; the error says which.</exception>
    public ChatPrompt Render(IReadOnlyDictionary<string, JsonElement> values, DateTime? now = null)
    {
        ArgumentNullException.ThrowIfNull(values);
        var rendered = _template.Render(
            run =>
            {
                foreach (var (name, value) in values)
                    run.Root.Set(name, ConversationVariables.Value(value, isData: true, run));
            },
            () => now ?? DateTime.Now);
        return new ChatPrompt(rendered.Text, rendered.Generated, _template.Source);
    }
}
