using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Knowledge;

namespace Kotonoha.Server.Training;

/// <summary>The files that were uploaded to be learned from; nothing in them is ever executed, and none leaves its folder.</summary>
/// <param name="options">Where they are kept.</param>
internal sealed class TrainingData(ServerOptions options)
{
    private const int MaxName = 200;

    private readonly string _arriving = Path.Combine(options.Home, "training", "arriving");

    public string Folder { get; } = Path.Combine(options.Home, "training", "data");

    public IReadOnlyList<TrainingDataInfo> List()
        => Directory.Exists(Folder)
            ? [.. new DirectoryInfo(Folder).EnumerateFiles().Where(file => file.LinkTarget is null)
                .Select(file => new TrainingDataInfo(file.Name, file.Length)).OrderBy(file => file.Name, StringComparer.Ordinal)]
            : [];

    /// <summary>Keeps a file; one of the same name is replaced.</summary>
    /// <exception cref="ApiException">The name cannot be used.</exception>
    public async Task<TrainingDataInfo> AddAsync(string name, Stream content, CancellationToken cancellationToken)
    {
        Check(name);
        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(_arriving);
        var path = Path.Combine(_arriving, Guid.NewGuid().ToString("N"));
        long bytes = await ReceivedFile.WriteAsync(path, content, cancellationToken).ConfigureAwait(false);
        File.Move(path, Path.Combine(Folder, name), overwrite: true);
        return new TrainingDataInfo(name, bytes);
    }

    /// <summary>The path of a file.</summary>
    /// <param name="name">The file.</param>
    /// <param name="parameter">The setting that names it.</param>
    /// <exception cref="ApiException">There is none of the name.</exception>
    public string Find(string name, string parameter)
        => List().Any(file => file.Name == name)
            ? Path.Combine(Folder, name)
            : throw new ApiException(404, ApiErrorType.NotFound, "data_not_found", $"There is no file '{name}' of training data here.",
                parameter);

    /// <exception cref="ApiException">There is none of the name.</exception>
    public void Delete(string name) => File.Delete(Find(name, "name"));

    private static void Check(string name)
    {
        KnowledgeEndpoints.CheckSource(name);

        // Routing leaves an escaped slash as it is.
        if (name.Length > MaxName || name[0] == '.' || name.AsSpan().ContainsAny('/', '\\', ':')
            || name.Contains("%2f", StringComparison.OrdinalIgnoreCase))
            throw ApiException.Invalid("name", $"'{name}' is no name for training data: a plain file name of at most {MaxName} "
                + "characters, without folders, that does not begin with a dot.", "invalid_source");
    }
}
