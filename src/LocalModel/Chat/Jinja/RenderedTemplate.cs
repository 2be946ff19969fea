namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>What a template rendered.</summary>
/// <param name="Text">The text, and what of it comes from the conversation.</param>
/// <param name="Generated">What <c>generation</c> blocks wrote, in UTF-16 units.</param>
/// <param name="Steps">The steps it took.</param>
internal sealed record RenderedTemplate(PyString Text, IReadOnlyList<(int Start, int End)> Generated, long Steps);
