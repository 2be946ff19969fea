using Kotonoha.Foundation;

namespace Kotonoha.Agents.Prompts;

/// <summary>A prompt template is malformed, or the values given to it do not fit it.</summary>
/// <remarks>The message starts with the template's name, line and column.</remarks>
public sealed class PromptTemplateException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="templateName">The template's name.</param>
    /// <param name="line">The line in the template, from 1.</param>
    /// <param name="column">The column in the template, from 1, in UTF-16 units.</param>
    /// <param name="problem">What is wrong and what to do about it.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public PromptTemplateException(string templateName, int line, int column, string problem, Exception? innerException = null)
        : base($"Prompt template '{templateName}', line {line}, column {column}: {problem}", innerException)
    {
        TemplateName = templateName;
        Line = line;
        Column = column;
    }

    /// <summary>The template's name.</summary>
    public string TemplateName { get; }

    /// <summary>The line in the template, from 1.</summary>
    public int Line { get; }

    /// <summary>The column in the template, from 1, in UTF-16 units.</summary>
    public int Column { get; }
}
