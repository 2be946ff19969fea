using Kotonoha.Foundation;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>
/// The file of a prompt or an agent, or what was given to it, cannot be used. The message names the file, the line where it is known, and
/// what to do.
/// </summary>
public sealed class PromptFileException : KotonohaException
{
    internal PromptFileException(PromptFileError error, string path, int? line, string problem, Exception? innerException = null)
        : base(line is { } number ? FormattableString.Invariant($"{path}, line {number}: {problem}") : $"{path}: {problem}", innerException)
        => (Error, Path, Line) = (error, path, line);

    /// <summary>What kind of problem it is.</summary>
    public PromptFileError Error { get; }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The line of the file, from 1, where it is known.</summary>
    public int? Line { get; }
}

/// <summary>What is wrong with a prompt file or with what was given to it.</summary>
public enum PromptFileError
{
    /// <summary>The file is not there, cannot be read, or is too large.</summary>
    File,

    /// <summary>The text is not YAML or JSON.</summary>
    Syntax,

    /// <summary>It is no prompt in a format that is known, or its template is in a language that is not known.</summary>
    Format,

    /// <summary>A key is missing, has a value of the wrong kind, or contradicts another.</summary>
    Content,

    /// <summary>The template is malformed, or fails on the values.</summary>
    Template,

    /// <summary>An environment variable is not allowed, or has no value.</summary>
    Environment,

    /// <summary>The output schema is invalid, or has what is not supported.</summary>
    Schema,

    /// <summary>A tool is named that was not given.</summary>
    Tool,

    /// <summary>A required input has no value.</summary>
    MissingInput,

    /// <summary>A value is given for an input that the prompt does not have.</summary>
    UnknownInput,

    /// <summary>A value is not of the input's type.</summary>
    InputType,

    /// <summary>The model is not among those of the catalogue.</summary>
    Model,
}

/// <summary>What a model wrote does not satisfy the prompt's output schema, also after the attempts to repair it.</summary>
public sealed class PromptOutputException : KotonohaException
{
    internal PromptOutputException(string path, string text, string problem, int attempts)
        : base(FormattableString.Invariant(
            $"{path}: the model's answer does not satisfy the output schema after {attempts} attempt{(attempts == 1 ? "" : "s")}: ")
            + $"{problem} Use a model that enforces the schema, simplify the schema, or allow more repairs.")
        => (Text, Problem, Attempts) = (text, problem, attempts);

    /// <summary>The last answer.</summary>
    public string Text { get; }

    /// <summary>What is wrong with it.</summary>
    public string Problem { get; }

    /// <summary>How often the model was asked.</summary>
    public int Attempts { get; }
}
