/* libsvn does the jobs of the benchmark through libsvn_repos and libsvn_fs, all in this process, so
 * that neither programs are started nor is anything sent over a wire. It is what svn/fsfs is
 * measured beside.
 *
 *   libsvn tree REPOSITORY DIRECTORY           one commit of everything below DIRECTORY
 *   libsvn edits REPOSITORY COMMITS THREADS    commits of one changed file of 1 KiB, by each thread
 *   libsvn put REPOSITORY PATH FILE            one commit of a file, new or changed
 *   libsvn wide REPOSITORY COMMITS ENTRIES     changes of one file in a root of that many
 *   libsvn cat REPOSITORY PATH REVISION        reads a file
 *   libsvn all REPOSITORY                      reads all files of the youngest revision
 *
 * It prints the seconds that the job took after the repository was opened, and the most memory that
 * the process has held, in KiB. Caches and durability are libsvn's defaults.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <apr_general.h>
#include <svn_dso.h>
#include <svn_fs.h>
#include <svn_hash.h>
#include <svn_io.h>
#include <svn_pools.h>
#include <svn_props.h>
#include <svn_repos.h>

enum { SMALL = 1024, BLOCK = 64 * 1024 };

static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* fill makes random bytes (Marsaglia's xorshift), other ones in each process and thread. */
static void fill(char *data, size_t n, uint64_t *state)
{
  for (size_t i = 0; i + 8 <= n; i += 8)
    {
      *state ^= *state << 13;
      *state ^= *state >> 7;
      *state ^= *state << 17;
      memcpy(data + i, state, 8);
    }
}

static uint64_t seed(unsigned int n)
{
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return ((uint64_t)t.tv_nsec << 20) ^ (uint64_t)t.tv_sec ^ ((uint64_t)(n + 1) << 52) ^ 1;
}

static svn_error_t *begin(svn_fs_txn_t **txn, svn_fs_root_t **root, svn_repos_t *repos, apr_pool_t *pool)
{
  svn_revnum_t youngest;
  apr_hash_t *props = apr_hash_make(pool);
  SVN_ERR(svn_fs_youngest_rev(&youngest, svn_repos_fs(repos), pool));
  svn_hash_sets(props, SVN_PROP_REVISION_AUTHOR, svn_string_create("bench", pool));
  svn_hash_sets(props, SVN_PROP_REVISION_LOG, svn_string_create("edit", pool));
  SVN_ERR(svn_repos_fs_begin_txn_for_commit2(txn, repos, youngest, props, pool));
  return svn_fs_txn_root(root, *txn, pool);
}

static svn_error_t *commit(svn_repos_t *repos, svn_fs_txn_t *txn, apr_pool_t *pool)
{
  const char *conflict = NULL;
  svn_revnum_t rev;
  SVN_ERR(svn_repos_fs_commit_txn(&conflict, repos, &rev, txn, pool));
  if (conflict)
    return svn_error_createf(SVN_ERR_FS_CONFLICT, NULL, "conflict at %s", conflict);
  return SVN_NO_ERROR;
}

static svn_error_t *put_bytes(svn_fs_root_t *root, const char *path, const char *data, size_t n, apr_pool_t *pool)
{
  svn_stream_t *out;
  SVN_ERR(svn_fs_apply_text(&out, root, path, NULL, pool));
  SVN_ERR(svn_stream_write(out, data, &n));
  return svn_stream_close(out);
}

static svn_error_t *put_file(svn_fs_root_t *root, const char *path, const char *file, apr_pool_t *pool)
{
  svn_stream_t *in, *out;
  svn_node_kind_t kind;
  SVN_ERR(svn_fs_check_path(&kind, root, path, pool));
  if (kind == svn_node_none)
    SVN_ERR(svn_fs_make_file(root, path, pool));
  SVN_ERR(svn_stream_open_readonly(&in, file, pool, pool));
  SVN_ERR(svn_fs_apply_text(&out, root, path, NULL, pool));
  return svn_stream_copy3(in, out, NULL, NULL, pool);
}

static svn_error_t *add_tree(svn_fs_root_t *root, const char *path, const char *dir, apr_pool_t *pool)
{
  DIR *d = opendir(dir);
  struct dirent *e;
  apr_pool_t *each = svn_pool_create(pool);
  if (!d)
    return svn_error_createf(SVN_ERR_FS_GENERAL, NULL, "cannot read %s", dir);
  while ((e = readdir(d)))
    {
      struct stat st;
      const char *below, *disk;
      if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
        continue;
      svn_pool_clear(each);
      below = apr_pstrcat(each, path, "/", e->d_name, SVN_VA_NULL);
      disk = apr_pstrcat(each, dir, "/", e->d_name, SVN_VA_NULL);
      if (stat(disk, &st))
        return svn_error_createf(SVN_ERR_FS_GENERAL, NULL, "cannot stat %s", disk);
      if (S_ISDIR(st.st_mode))
        {
          SVN_ERR(svn_fs_make_dir(root, below, each));
          SVN_ERR(add_tree(root, below, disk, each));
        }
      else
        SVN_ERR(put_file(root, below, disk, each));
    }
  closedir(d);
  svn_pool_destroy(each);
  return SVN_NO_ERROR;
}

static svn_error_t *tree(svn_repos_t *repos, const char *dir, apr_pool_t *pool)
{
  svn_fs_txn_t *txn;
  svn_fs_root_t *root;
  SVN_ERR(begin(&txn, &root, repos, pool));
  SVN_ERR(add_tree(root, "", dir, pool));
  return commit(repos, txn, pool);
}

static svn_error_t *put(svn_repos_t *repos, const char *path, const char *file, apr_pool_t *pool)
{
  svn_fs_txn_t *txn;
  svn_fs_root_t *root;
  SVN_ERR(begin(&txn, &root, repos, pool));
  SVN_ERR(put_file(root, path, file, pool));
  return commit(repos, txn, pool);
}

/* edit commits new contents of 1 KiB for a file that exists. */
static svn_error_t *edit(svn_repos_t *repos, const char *path, uint64_t *state, apr_pool_t *pool)
{
  char data[SMALL];
  svn_fs_txn_t *txn;
  svn_fs_root_t *root;
  fill(data, SMALL, state);
  SVN_ERR(begin(&txn, &root, repos, pool));
  SVN_ERR(put_bytes(root, path, data, SMALL, pool));
  return commit(repos, txn, pool);
}

/* A committer has a repository and memory of its own, as the threads of svnserve and Apache have. */
struct committer
{
  svn_repos_t *repos;
  apr_pool_t *pool;
  pthread_t thread;
  int number, threads, commits;
  svn_error_t *err;
};

static void *committer_run(void *arg)
{
  struct committer *c = arg;
  uint64_t state = seed((unsigned int)c->number);
  apr_pool_t *each = svn_pool_create(c->pool);
  for (int i = 0; i < c->commits && !c->err; i++)
    {
      int file = c->threads == 1 ? 10 : 80 + c->number;
      svn_pool_clear(each);
      c->err = edit(c->repos, apr_psprintf(each, "/d%02d/f%02d.txt", i % 100, file), &state, each);
    }
  return NULL;
}

static svn_error_t *edits(struct committer *all, int threads)
{
  for (int i = 0; i < threads; i++)
    if (pthread_create(&all[i].thread, NULL, committer_run, &all[i]))
      return svn_error_create(SVN_ERR_BASE, NULL, "cannot start a thread");
  for (int i = 0; i < threads; i++)
    pthread_join(all[i].thread, NULL);
  for (int i = 0; i < threads; i++)
    SVN_ERR(all[i].err);
  return SVN_NO_ERROR;
}

static svn_error_t *wide(svn_repos_t *repos, int commits, int entries, apr_pool_t *pool)
{
  uint64_t state = seed(0);
  apr_pool_t *each = svn_pool_create(pool);
  for (int i = 0; i < commits; i++)
    {
      svn_pool_clear(each);
      SVN_ERR(edit(repos, apr_psprintf(each, "/f%06d.txt", (int)((i + 1) * 7919L % entries)), &state, each));
    }
  return SVN_NO_ERROR;
}

static svn_error_t *read_file(svn_fs_root_t *root, const char *path, char *buffer, apr_pool_t *pool)
{
  svn_stream_t *in;
  apr_size_t n;
  SVN_ERR(svn_fs_file_contents(&in, root, path, pool));
  do
    {
      n = BLOCK;
      SVN_ERR(svn_stream_read_full(in, buffer, &n));
    }
  while (n == BLOCK);
  return svn_stream_close(in);
}

static svn_error_t *cat(svn_repos_t *repos, const char *path, svn_revnum_t rev, apr_pool_t *pool)
{
  svn_fs_root_t *root;
  SVN_ERR(svn_fs_revision_root(&root, svn_repos_fs(repos), rev, pool));
  return read_file(root, path, apr_palloc(pool, BLOCK), pool);
}

static svn_error_t *read_below(svn_fs_root_t *root, const char *path, char *buffer, apr_pool_t *pool)
{
  apr_hash_t *entries;
  apr_array_header_t *order;
  apr_pool_t *each = svn_pool_create(pool);
  SVN_ERR(svn_fs_dir_entries(&entries, root, path, pool));
  SVN_ERR(svn_fs_dir_optimal_order(&order, root, entries, pool, pool));
  for (int i = 0; i < order->nelts; i++)
    {
      svn_fs_dirent_t *e = APR_ARRAY_IDX(order, i, svn_fs_dirent_t *);
      const char *below;
      svn_pool_clear(each);
      below = apr_pstrcat(each, path, "/", e->name, SVN_VA_NULL);
      if (e->kind == svn_node_dir)
        SVN_ERR(read_below(root, below, buffer, each));
      else
        SVN_ERR(read_file(root, below, buffer, each));
    }
  svn_pool_destroy(each);
  return SVN_NO_ERROR;
}

static svn_error_t *all(svn_repos_t *repos, apr_pool_t *pool)
{
  svn_fs_root_t *root;
  svn_revnum_t youngest;
  SVN_ERR(svn_fs_youngest_rev(&youngest, svn_repos_fs(repos), pool));
  SVN_ERR(svn_fs_revision_root(&root, svn_repos_fs(repos), youngest, pool));
  return read_below(root, "", apr_palloc(pool, BLOCK), pool);
}

static svn_error_t *run(int argc, char **argv, apr_pool_t *pool)
{
  const char *job = argv[1];
  int threads = !strcmp(job, "edits") && argc > 4 ? atoi(argv[4]) : 1;
  struct committer *committers;
  svn_repos_t *repos;
  struct rusage usage;
  double start, took;
  svn_error_t *err;

  SVN_ERR(svn_dso_initialize2());
  SVN_ERR(svn_fs_initialize(pool));
  if (threads < 1 || threads > 256)
    return svn_error_create(SVN_ERR_CL_ARG_PARSING_ERROR, NULL, "1 to 256 threads");
  committers = apr_pcalloc(pool, sizeof(*committers) * (apr_size_t)threads);
  for (int i = 0; i < threads; i++)
    {
      struct committer *c = &committers[i];
      c->number = i;
      c->threads = threads;
      c->commits = argc > 3 ? atoi(argv[3]) : 0;
      c->pool = svn_pool_create(NULL);
      SVN_ERR(svn_repos_open3(&c->repos, argv[2], NULL, c->pool, c->pool));
    }
  repos = committers[0].repos;

  start = now();
  if (!strcmp(job, "tree") && argc == 4)
    err = tree(repos, argv[3], pool);
  else if (!strcmp(job, "edits") && argc == 5)
    err = edits(committers, threads);
  else if (!strcmp(job, "put") && argc == 5)
    err = put(repos, argv[3], argv[4], pool);
  else if (!strcmp(job, "wide") && argc == 5)
    err = wide(repos, atoi(argv[3]), atoi(argv[4]), pool);
  else if (!strcmp(job, "cat") && argc == 5)
    err = cat(repos, argv[3], atol(argv[4]), pool);
  else if (!strcmp(job, "all") && argc == 3)
    err = all(repos, pool);
  else
    err = svn_error_createf(SVN_ERR_CL_ARG_PARSING_ERROR, NULL, "no job %s with that many arguments", job);
  SVN_ERR(err);
  took = now() - start;
  getrusage(RUSAGE_SELF, &usage);
  printf("%.6f %ld\n", took, usage.ru_maxrss);
  return SVN_NO_ERROR;
}

int main(int argc, char **argv)
{
  svn_error_t *err;
  if (argc < 3)
    {
      fprintf(stderr, "usage: libsvn JOB REPOSITORY ...: see the source\n");
      return 2;
    }
  if (apr_initialize() != APR_SUCCESS)
    return 2;
  err = run(argc, argv, svn_pool_create(NULL));
  if (err)
    {
      svn_handle_error2(err, stderr, FALSE, "libsvn: ");
      return 1;
    }
  return 0;
}
