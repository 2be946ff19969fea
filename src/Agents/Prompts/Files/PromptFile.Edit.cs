using Kotonoha.Foundation.IO;

namespace Kotonoha.Agents.Prompts.Files;

public sealed partial class PromptFile
{
    /// <summary>
    /// The instruction: the first system message as the file spells it, template expressions included; null where the file has none, or
    /// takes it from another file.
    /// </summary>
    public string? Instruction => Editor.Instruction;

    private PromptFileEditor Editor => field ??= new PromptFileEditor(Path, Format, _texts);

    /// <summary>A prompt like this one with another instruction or other examples. No file is written.</summary>
    /// <param name="instruction">The instruction, spelt as in the file; null keeps it.</param>
    /// <param name="examples">The worked examples, all of which are shown; null keeps those of the file, and its way to choose.</param>
    /// <returns>The prompt.</returns>
    /// <exception cref="PromptFileException">
    /// The file has no instruction or its format no place for examples, an example spells a reference to a file or variable, or the prompt
    /// that would result cannot be read.
    /// </exception>
    public PromptFile With(string? instruction = null, IReadOnlyList<FewShotExample>? examples = null)
    {
        var editor = Editor;
        if (instruction is not null)
            editor = editor.WithInstruction(instruction);
        if (examples is not null)
            editor = editor.WithExamples(examples);
        return PromptFileReader.Read(Path, _settings, editor.Texts);
    }

    /// <summary>Writes the prompt to another place, in its own format.</summary>
    /// <param name="path">A file of the same kind, or a folder where the prompt is one. What is there is replaced.</param>
    /// <exception cref="PromptFileException">
    /// The place does not fit the format, or the prompt includes files that would not lie beside it.
    /// </exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        bool isFolder = Format is PromptFileFormat.KernelFolder or PromptFileFormat.Skill;
        string own = isFolder ? System.IO.Path.GetDirectoryName(Files[0])! : Files[0];
        if (isFolder ? File.Exists(path) : Kind(path) != Kind(own))
            throw new PromptFileException(PromptFileError.Format, path, null, isFolder
                ? $"the prompt {Path} is a folder; name a folder."
                : $"the prompt {Path} must keep its ending; name a file that ends with {System.IO.Path.GetExtension(own)}.");
        var target = System.IO.Path.GetFullPath(path);
        var from = isFolder ? own : System.IO.Path.GetDirectoryName(own)!;
        var to = isFolder ? target : System.IO.Path.GetDirectoryName(target)!;
        var included = Files.Where(file => !Editor.OwnFiles.Contains(file)).ToList();
        if (included.Count > 0 && from != to)
            throw new PromptFileException(PromptFileError.File, path, null,
                $"the prompt includes {string.Join(", ", included.Select(System.IO.Path.GetFileName))}; save it in the folder {from}.");
        Directory.CreateDirectory(to);
        foreach (var file in Editor.OwnFiles)
            AtomicFile.WriteText(isFolder ? System.IO.Path.Combine(target, System.IO.Path.GetFileName(file)) : target, _texts[file]);

        static string Kind(string file)
            => System.IO.Path.GetExtension(file).ToLowerInvariant() is var ending && ending == ".yml" ? ".yaml" : ending;
    }
}
